/* A form from a kind's fields: groups, nested objects, arrays, references, show_if. It sits inside an antd
 * <Form>; `prefix` is where its values stand in it. */
import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Form } from 'antd';
import type { ComponentType } from 'react';
import { useTranslation } from 'react-i18next';
import { textOf } from '@/lib/resources';
import type { FieldDoc, KindDoc, Spec } from '@/lib/types';
import { asJson, shownAmong, type FormPath } from './convert';
import { FieldInput, type InputProps } from './inputs';
import { rulesOf } from './rules';
import '../components.css';

interface FieldsProps {
  fields: FieldDoc[];
  among?: FieldDoc[];     /* all fields beside them, where these are only some: for show_if */
  prefix: FormPath;       /* path from the form's root, for show_if */
  listPrefix?: FormPath;  /* path inside a Form.List instead, for names */
  disabled?: boolean;
  creating?: boolean;
  editors?: (name: string) => ComponentType<InputProps> | undefined;
  notes?: Record<string, string>;   /* under a field of the top: what it is needed for */
}

function ObjectArray({ field, prefix, listPrefix, disabled, creating }: Omit<FieldsProps, 'fields'> & { field: FieldDoc }) {
  const { t, i18n } = useTranslation();
  const item = field.items as FieldDoc;
  const path = [...prefix, field.name];
  const name = listPrefix ? [...listPrefix, field.name] : path;
  return (
    <div className="wide form-group">
      <div className="form-group-title">{textOf(field.title, i18n.language, field.name)}</div>
      <Form.List name={name}>
        {(items, { add, remove }) => (
          <>
            {items.map((it) => (
              <div key={it.key} className="array-item">
                {!disabled && <Button className="array-remove" type="text" size="small" icon={<DeleteOutlined />} aria-label={t('action.remove')} onClick={() => remove(it.name)} />}
                <SchemaFields fields={item.fields ?? []} prefix={[...path, it.name]} listPrefix={[it.name]} disabled={disabled} creating={creating} />
              </div>
            ))}
            {!disabled && (
              <Form.Item>
                <Button icon={<PlusOutlined />} disabled={field.max_items !== undefined && items.length >= field.max_items} onClick={() => add({})}>{t('action.add')}</Button>
              </Form.Item>
            )}
          </>
        )}
      </Form.List>
    </div>
  );
}

function OneField({ field, among, prefix, listPrefix, disabled, creating, editors, notes }: Omit<FieldsProps, 'fields'> & { field: FieldDoc }) {
  const { t, i18n } = useTranslation();
  const form = Form.useFormInstance();
  const seen = Form.useWatch((all: Spec) => shownAmong(field, among ?? [], prefix.reduce<unknown>((v, k) => (v as Record<string | number, unknown> | undefined)?.[k], all) as Spec | undefined), { form, preserve: true });
  if (field.show_if && !seen) return null;
  const title = textOf(field.title, i18n.language, field.name);
  const off = disabled || field.read_only;
  const Own = editors?.(field.name);
  if (field.type === 'object' && !asJson(field) && !Own) {
    return (
      <div className="wide form-group">
        <div className="form-group-title">{title}</div>
        <SchemaFields fields={field.fields ?? []} prefix={[...prefix, field.name]} listPrefix={listPrefix && [...listPrefix, field.name]} disabled={off} creating={creating} />
      </div>
    );
  }
  if (field.type === 'array' && field.items?.type === 'object' && !Own) {
    return <ObjectArray field={field} prefix={prefix} listPrefix={listPrefix} disabled={off} creating={creating} />;
  }
  const Editor = Own ?? FieldInput;
  const help = textOf(field.help, i18n.language);
  const note = prefix.length === 1 ? notes?.[field.name] : undefined;
  const wide = Own || field.format === 'multiline' || asJson(field);
  return (
    <Form.Item className={wide ? 'wide' : undefined} name={[...(listPrefix ?? prefix), field.name]} label={title} extra={note || help ? <>{help}{note && <span className="field-note">{note}</span>}</> : undefined}
      rules={rulesOf(field, t, creating ?? false)} required={field.required}>
      <Editor field={field} disabled={off} creating={creating} />
    </Form.Item>
  );
}

export function SchemaFields(props: FieldsProps) {
  const { fields, among = fields, ...rest } = props;
  return (
    <div className="form-grid">
      {fields.map((f) => <OneField key={f.name} field={f} among={among} {...rest} />)}
    </div>
  );
}

/* The whole spec of a kind, in the groups of its form; fields that no group names come last. */
export function KindFields({ kind, disabled, creating, editors, notes }: { kind: KindDoc; disabled?: boolean; creating?: boolean; editors?: FieldsProps['editors']; notes?: FieldsProps['notes'] }) {
  const { t, i18n } = useTranslation();
  const groups = kind.form?.groups ?? [];
  const named = new Set(groups.flatMap((g) => g.fields));
  const rest = kind.fields.filter((f) => !named.has(f.name));
  const byName = new Map(kind.fields.map((f) => [f.name, f]));
  const all = [
    ...groups.map((g) => ({ title: textOf(g.title, i18n.language), fields: g.fields.map((n) => byName.get(n)).filter((f): f is FieldDoc => f !== undefined) })),
    ...(rest.length > 0 ? [{ title: groups.length > 0 ? t('form.other') : '', fields: rest }] : []),
  ].filter((g) => g.fields.length > 0);
  return (
    <>
      {all.map((g, i) => (
        <section key={`${g.title}${i}`} className="form-group">
          {g.title && <div className="form-group-title">{g.title}</div>}
          <SchemaFields fields={g.fields} prefix={['spec']} disabled={disabled} creating={creating} editors={editors} notes={notes} />
        </section>
      ))}
    </>
  );
}
