/* Making or changing a forwarding: protocol, its options, which points, how much is kept while the receiver is away. */
import { Alert, Button, Drawer, Form, Input, Skeleton, Space, Switch, type FormInstance } from 'antd';
import { useDeferredValue, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { placeFaults } from '@/components/link/faults';
import { OptionFields } from '@/components/link/OptionFields';
import { freeCode } from '@/components/link/options';
import { ProtocolSelect } from '@/components/link/ProtocolSelect';
import { TestButton } from '@/components/link/TestResult';
import { useNotify } from '@/components/notify';
import { SchemaFields } from '@/components/schema/SchemaForm';
import { ErrorState } from '@/components/states';
import { textOf, useApi, useKinds, useResource, useSave } from '@/lib/resources';
import type { KindDoc, Outlet, Page, Resource, Spec } from '@/lib/types';
import { formatCount } from '@/lib/units';
import { PointsChoice } from './PointsChoice';
import { fieldsOf, inputOf, useOutlets, valuesOf, type ForwardValues } from './outlets';

interface Props {
  id: string | null;      /* null: a new one */
  copy: boolean;
  taken: string[];
  onClose: () => void;
  onSaved: (id: string) => void;
}

/* What was typed about points and buffer holds for another protocol too. */
const given = (v: Spec | undefined) => Object.fromEntries(Object.entries(v ?? {}).filter(([, x]) => x !== undefined && x !== null && x !== ''));

/* How many points the filter takes, while it is typed. */
function Matches() {
  const { t } = useTranslation();
  const filter = useDeferredValue(String(Form.useWatch(['rest', 'filter'], { preserve: true }) ?? '').trim());
  const { data, error } = useApi<Page<Resource>>(filter ? '/points' : null, { filter: filter === '*' ? undefined : filter, size: 1 }, { keep: true });
  if (!filter) return <div className="muted small">{t('forward.form.onlyMapped')}</div>;
  if (error) return <div className="bad-text small">{error.message}</div>;
  return <div className="muted small" role="status">{data ? t('forward.form.matches', { n: formatCount(data.total) }) : ''}</div>;
}

function Fields({ outlets, outlet, kind, creating, onOutlet }: { outlets: Outlet[]; outlet: Outlet | undefined; kind: KindDoc; creating: boolean; onOutlet: (name: string) => void }) {
  const { t, i18n } = useTranslation();
  const { points, buffer } = fieldsOf(kind, outlet);
  const groups = [
    { label: t('forward.servers'), items: outlets.filter((o) => o.server) },
    { label: t('forward.senders'), items: outlets.filter((o) => !o.server) },
  ];
  return (
    <>
      <Form.Item name="outlet" label={t('connections.form.protocol')} extra={textOf(outlet?.help, i18n.language) || undefined} rules={[{ required: true, message: t('form.required') }]}>
        <ProtocolSelect disabled={!creating} onPick={onOutlet} groups={groups} />
      </Form.Item>
      {outlet && <OptionFields fields={outlet.channel} of={outlet.name} creating={creating} />}
      {outlet && (
        <>
          <div className="form-grid">
            <Form.Item name="code" label={t('connections.form.code')} extra={t('connections.form.codeHelp')} rules={[{ required: true, message: t('form.required') }, { pattern: /^[^ ,;'"/]+$/u, message: t('connections.fault.code') }]}><Input /></Form.Item>
            <Form.Item name="name" label={t('connections.form.name')}><Input /></Form.Item>
            <Form.Item name="enabled" label={t('connections.form.enabled')} valuePropName="checked" hidden={creating}><Switch /></Form.Item>
          </div>
          <div className="form-group-title">{t('forward.form.points')}</div>
          <SchemaFields fields={points.filter((f) => f.name === 'filter')} prefix={['rest']} creating={creating} editors={() => PointsChoice} />
          <Matches />
          <SchemaFields fields={points.filter((f) => f.name !== 'filter')} prefix={['rest']} creating={creating} />
          {buffer.length > 0 && <><div className="form-group-title">{t('forward.form.buffer')}</div><SchemaFields fields={buffer} prefix={['rest']} creating={creating} /></>}
        </>
      )}
    </>
  );
}

function Editor({ from, outlets, kind, copy, taken, onClose, onSaved }: Omit<Props, 'id'> & { from: Resource | undefined; outlets: Outlet[]; kind: KindDoc }) {
  const { t } = useTranslation();
  const notify = useNotify();
  const [form] = Form.useForm<ForwardValues>();
  const save = useSave('forwards');
  const [rest, setRest] = useState<string[]>([]);
  const [name, setName] = useState(String(from?.spec.outlet ?? ''));
  const outlet = outlets.find((o) => o.name === name);
  const creating = !from || copy;
  useEffect(() => {
    const values = valuesOf(outlet, kind, from);
    form.setFieldsValue(copy && from ? { ...values, code: freeCode(`${from.code}-2`, taken), name: t('connections.copyName', { name: from.name }) } : values);
  }, [from?.id]); // eslint-disable-line react/exhaustive-deps
  const suggestion = useRef('');
  const choose = (chosen: string) => {
    setName(chosen);
    const o = outlets.find((x) => x.name === chosen);
    const code = String(form.getFieldValue('code') ?? '');
    const { options, rest: fresh } = valuesOf(o, kind);
    const suggested = freeCode(chosen.replaceAll('_', '-'), taken);
    form.setFieldValue('options', options);     /* as a whole: nothing of the other protocol stays */
    form.setFieldsValue({ outlet: chosen, code: code && code !== suggestion.current ? code : suggested, rest: { ...fresh, ...given(form.getFieldValue('rest') as Spec | undefined) } });
    suggestion.current = suggested;
  };
  const input = async () => {
    await form.validateFields();
    return inputOf(outlet, kind, form.getFieldsValue(true) as ForwardValues, !creating);
  };
  const store = async () => {
    const what = await input().catch(() => null);
    if (!what) return;
    setRest([]);
    try {
      const saved = await save.mutateAsync(creating || !from ? { input: what } : { id: from.id, rev: from.rev, input: what });
      notify.done(t('forward.saved', { code: what.code }));
      onSaved(saved.id);
    } catch (e) {
      setRest(placeFaults(form, e));
    }
  };
  return (
    <>
      <Form form={form} layout="vertical" onFinish={() => void store()}>
        <Fields outlets={outlets} outlet={outlet} kind={kind} creating={creating && !copy} onOutlet={choose} />
        <button type="submit" hidden />
      </Form>
      {outlet && <TestButton key={outlet.name} form={form as FormInstance} path="/forwards:test" body={async () => ({ spec: (await input()).spec })} />}
      <div className="drawer-foot sticky">
        {rest.length > 0 && <Alert type="error" showIcon title={rest.join('；')} />}
        <Space>
        <Button type="primary" disabled={!outlet} loading={save.isPending} onClick={() => void store()}>{t('action.save')}</Button>
        <Button onClick={onClose}>{t('action.cancel')}</Button>
        </Space>
      </div>
    </>
  );
}

export function ForwardEditor(props: Props) {
  const { t } = useTranslation();
  const from = useResource('forwards', props.id ?? '');
  const outlets = useOutlets();
  const kinds = useKinds();
  const kind = kinds.data?.find((k) => k.kind === 'forward');
  const error = (props.id ? from.error : null) ?? outlets.error ?? kinds.error;
  const ready = outlets.data && kind && (!props.id || from.data);
  const title = props.id ? t(props.copy ? 'forward.copyTitle' : 'forward.editTitle', { code: from.data?.code ?? '' }) : t('forward.new');
  return (
    <Drawer open keyboard={false} mask={{ closable: false }} onClose={props.onClose} size="min(640px, 100vw)" title={title}>
      {error ? <ErrorState error={error} retry={() => { void from.refetch(); void outlets.refetch(); void kinds.refetch(); }} />
        : ready ? <Editor {...props} from={props.id ? from.data : undefined} outlets={outlets.data} kind={kind} />
        : <Skeleton active />}
    </Drawer>
  );
}
