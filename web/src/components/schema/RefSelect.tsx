/* Choosing resources of a kind by search; the value is the id (or the code, for points by code). Where a form
 * allows it, a missing one is made on the way. */
import { PlusOutlined } from '@ant-design/icons';
import { Button, Select } from 'antd';
import { useQuery, useQueries } from '@tanstack/react-query';
import { useContext, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { get, seg } from '@/lib/api';
import { coded, nameOf } from '@/lib/names';
import { textOf, useKind } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { useDebounced } from '@/lib/useDebounced';
import type { Page, Resource } from '@/lib/types';
import { QuickCreateContext } from './quick';

interface Props {
  kind: string;
  value?: string | string[];
  onChange?: (value: string | string[] | null) => void;
  by?: 'id' | 'code';
  multiple?: boolean;
  disabled?: boolean;
  filter?: string;
  id?: string;
  placeholder?: string;
  className?: string;
}

function label(r: Resource, lang: string): string {
  const name = nameOf(r, lang);
  if (!coded(r)) return name || r.id;
  return name && name !== r.code ? `${r.code}  ${name}` : r.code;
}

export function RefSelect({ kind, value, onChange, by = 'id', multiple, disabled, filter, id, placeholder, className }: Props) {
  const { t, i18n } = useTranslation();
  const doc = useKind(kind);
  const can = useCan();
  const quick = useContext(QuickCreateContext);
  const [text, setText] = useState('');
  const [open, setOpen] = useState(false);
  const q = useDebounced(text, 200);
  const plural = doc?.plural;
  const found = useQuery({
    queryKey: [`/${plural}`, { q, size: 20, filter }],
    queryFn: ({ signal }) => get<Page<Resource>>(`/${plural}`, { q, size: 20, filter }, signal),
    enabled: Boolean(plural) && open,
  });
  const chosen = value === undefined || value === null || value === '' ? [] : Array.isArray(value) ? value : [value];
  const current = useQueries({
    queries: chosen.map((v) => ({
      queryKey: [`/${plural}/${seg(v)}`, null],
      queryFn: ({ signal }: { signal: AbortSignal }) => get<Resource>(`/${plural}/${seg(v)}`, undefined, signal),
      enabled: Boolean(plural),
      retry: false,
      staleTime: 60000,
    })),
  });
  const options = new Map<string, string>();
  current.forEach((c, i) => options.set(chosen[i], c.data ? label(c.data, i18n.language) : chosen[i]));
  for (const r of found.data?.items ?? []) options.set(by === 'id' ? r.id : r.code, label(r, i18n.language));
  const make = () => {
    if (!doc || !quick) return;
    setOpen(false);
    quick(doc, text.trim(), (r) => {
      const made = by === 'id' ? r.id : r.code;
      onChange?.(multiple ? [...chosen, made] : made);
    });
    setText('');
  };
  const footer = quick && doc && !doc.single && can(doc.kind, 'write')
    ? <div className="select-foot"><Button type="link" size="small" icon={<PlusOutlined />} onMouseDown={(e) => e.preventDefault()} onClick={make}>{t('form.makeNew', { what: textOf(doc.title, i18n.language) })}</Button></div> : null;
  return (
    <Select id={id} className={className} value={multiple ? chosen : chosen[0]} mode={multiple ? 'multiple' : undefined} disabled={disabled} allowClear
      showSearch={{ filterOption: false, onSearch: setText, searchValue: text }} open={open} onOpenChange={setOpen} loading={found.isFetching}
      placeholder={placeholder ?? t('form.choose')} notFoundContent={t('state.nothingFound')}
      popupRender={(menu) => <>{menu}{footer}</>}
      options={[...options].map(([v, l]) => ({ value: v, label: l }))}
      onChange={(v) => { setText(''); onChange?.((v as string | string[] | undefined) ?? null); }} />
  );
}
