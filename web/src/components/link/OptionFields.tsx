/* The options of a driver's table inside a form: what must be known is open, the rest in sections that fold, each
 * with how many of its options were changed. A section with a fault in it opens by itself. */
import { Collapse, Form } from 'antd';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { shownAmong } from '@/components/schema/convert';
import { SchemaFields } from '@/components/schema/SchemaForm';
import type { FieldDoc, Spec } from '@/lib/types';
import { changedCount, sections, withExample } from './options';

const PREFIX = ['options'];

/* Sections that hold a field with a fault, as soon as there is one. */
function useFaulty(onFault: (name: string) => void) {
  const box = useRef<HTMLDivElement>(null);
  const told = useRef(onFault);
  useEffect(() => {
    told.current = onFault;
  });
  useEffect(() => {
    const el = box.current;
    if (!el) return undefined;
    const look = () => el.querySelectorAll<HTMLElement>('[data-section]').forEach((s) => s.querySelector('.ant-form-item-has-error') && told.current(s.dataset.section ?? ''));
    const observer = new MutationObserver(look);
    observer.observe(el, { subtree: true, attributes: true, attributeFilter: ['class'] });
    return () => observer.disconnect();
  }, []);
  return box;
}

interface Props {
  fields: FieldDoc[];
  of?: string;          /* the protocol, for examples */
  prefix?: string[];    /* where they stand in the form */
  creating: boolean;
  disabled?: boolean;
}

export function OptionFields({ fields: table, of, prefix = PREFIX, creating, disabled }: Props) {
  const { t } = useTranslation();
  const form = Form.useFormInstance();
  const values = Form.useWatch(prefix, { form, preserve: true }) as Spec | undefined;
  const [open, setOpen] = useState<string[]>([]);
  const box = useFaulty((name) => setOpen((was) => (was.includes(name) ? was : [...was, name])));
  const fields = table.map((f) => withExample(of, f));
  const [main, ...rest] = sections(fields);
  const others = rest.filter((s) => s.fields.some((f) => shownAmong(f, fields, values)));
  const only = others.length === 1;
  return (
    <div ref={box} className="option-fields">
      {main && <SchemaFields key={of} fields={main.fields} among={fields} prefix={prefix} creating={creating} disabled={disabled} />}
      {others.length > 0 && (
        <Collapse ghost size="small" activeKey={open} onChange={(k) => setOpen(Array.isArray(k) ? k : [k])} items={others.map((s) => {
          const changed = changedCount(s.fields, values);
          return {
            key: s.name, forceRender: true,
            label: <>{t(`connections.form.section.${only ? 'more' : s.name}`)} <span className="muted small">{changed > 0 ? t('connections.form.changed', { n: changed }) : t('connections.form.usual')}</span></>,
            children: <div data-section={s.name}><SchemaFields key={of} fields={s.fields} among={fields} prefix={prefix} creating={creating} disabled={disabled} /></div>,
          };
        })} />
      )}
    </div>
  );
}
