/* Filter by rows and as text, side by side, each following the other; a fault stands under its character. */
import { Button, Input } from 'antd';
import { useEffect, useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { ApiError } from '@/lib/api';
import { asGroup, faultPlace, parse, print, type Group } from '@/lib/filter';
import { FilterBuilder } from './FilterBuilder';
import type { FilterField } from './filterFields';

function Marked({ text, at }: { text: string; at: number }) {
  const end = at < text.length ? at + 1 : at;
  return <div className="filter-mark mono" aria-hidden>{text.slice(0, at)}<mark>{text.slice(at, end) || ' '}</mark>{text.slice(end)}</div>;
}

interface Props {
  value: string;
  fields: FilterField[];
  error?: ApiError | null;     /* the server's, about the applied text */
  onChange: (filter: string) => void;
  onClose: () => void;
}

export function FilterPanel({ value, fields, error, onChange, onClose }: Props) {
  const { t } = useTranslation();
  const [text, setText] = useState(value);
  const [group, setGroup] = useState<Group>(() => asGroup(parse(value).node ?? null));
  const sent = useRef(value);
  const timer = useRef(0);
  useEffect(() => {
    if (value === sent.current) return;
    sent.current = value;
    setText(value);
    setGroup(asGroup(parse(value).node ?? null));
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const apply = (next: string) => {
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => { sent.current = next; onChange(next); }, 400);
  };
  const byRows = (next: Group) => {
    setGroup(next);
    const written = print(next);
    setText(written);
    if (written !== sent.current) apply(written);
  };
  const fault = useMemo(() => parse(text).fault, [text]);
  const byText = (next: string) => {
    setText(next);
    const read = parse(next);
    if (read.fault) return clearTimeout(timer.current);
    setGroup(asGroup(read.node));
    return apply(next.trim());
  };
  const server = !fault && error && text.trim() === value ? error : null;
  const place = fault?.at ?? (server ? faultPlace(text, server.errors[0]?.detail ?? server.message) ?? faultPlace(text, server.message) : null);
  return (
    <div className="filter-panel">
      <FilterBuilder group={group} fields={fields} onChange={byRows} />
      <div className="col filter-text">
        <Input.TextArea className="mono" autoSize={{ minRows: 2, maxRows: 6 }} value={text} status={fault || server ? 'error' : undefined} onChange={(e) => byText(e.target.value)}
          placeholder={t('list.filter')} aria-label={t('filter.text')} spellCheck={false} />
        {(fault || server) && (
          <div role="alert" className="col small">
            {place !== null && <Marked text={text} at={place} />}
            <span className="quality bad">{fault ? t(`filter.fault.${fault.code}`, { at: fault.at + 1 }) : server?.errors[0]?.detail || server?.message}</span>
          </div>
        )}
        <div className="row">
          <Button size="small" disabled={!text} onClick={() => byText('')}>{t('list.clearFilter')}</Button>
          <Button size="small" type="text" onClick={onClose}>{t('action.close')}</Button>
        </div>
      </div>
    </div>
  );
}
