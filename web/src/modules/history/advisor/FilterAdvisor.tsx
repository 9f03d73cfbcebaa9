/* Tab of a point: what exception and swinging-door filters would have saved on its stored data, and one press to
 * use a setting. The error shown is the greatest distance between a stored sample and the line that would remain. */
import { Alert, Button, InputNumber, Modal, Table } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotify } from '@/components/notify';
import { ErrorState, Loading, EmptyState } from '@/components/states';
import { TimeRange, useRange } from '@/components/TimeRange';
import { post } from '@/lib/api';
import { useSave } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { resolveRange } from '@/lib/time';
import type { Resource } from '@/lib/types';
import { formatCount, formatNumber, unitText } from '@/lib/units';
import type { AdviceAnswer, AdviceItem, AdviceResult } from '../storage/types';
import { useQuery } from '@tanstack/react-query';
import '../storage/storage.css';

interface Setting { deadband: number; door: number }

function useAdvice(code: string, from: string, to: string, extra: Setting[]) {
  return useQuery<AdviceItem | undefined>({
    queryKey: ['/history:advise', { code, from, to, extra }],
    queryFn: async () => {
      const abs = resolveRange({ from, to });
      const range = { points: [code], from: Math.round(abs.from), to: Math.round(abs.to) };
      const [ladder] = (await post<AdviceAnswer>('/history:advise', range)).items;
      if (!ladder || extra.length === 0) return ladder;
      const [own] = (await post<AdviceAnswer>('/history:advise', { ...range, settings: extra })).items;
      return { ...ladder, results: [...ladder.results, ...(own?.results ?? [])].sort((a, b) => a.saved_percent - b.saved_percent) };
    },
    staleTime: 60000,
  });
}

/* A deadband of null is no deadband: every sample goes to the door. */
const settingOf = (r: AdviceResult): Setting => ({ deadband: r.deadband ?? 0, door: r.door });
const same = (a: Setting, b: Setting | null) => b !== null && a.deadband === b.deadband && a.door === b.door;
const figure = (v: number | null, unit: string) => (v === null ? '—' : `${formatNumber(v)} ${unit}`);

function Try({ unit, onTry }: { unit: string; onTry: (s: Setting) => void }) {
  const { t } = useTranslation();
  const [deadband, setDeadband] = useState<number | null>(null);
  const [door, setDoor] = useState<number | null>(null);
  return (
    <div className="row wrap">
      <span className="soft">{t('advice.own')}</span>
      <InputNumber min={0} value={deadband} onChange={setDeadband} placeholder={t('advice.deadband')} aria-label={t('advice.deadband')} suffix={unit} style={{ width: 150 }} />
      <InputNumber min={0} value={door} onChange={setDoor} placeholder={t('advice.door')} aria-label={t('advice.door')} suffix={unit} style={{ width: 150 }} />
      <Button disabled={!deadband && !door} onClick={() => onTry({ deadband: deadband ?? 0, door: door ?? 0 })}>{t('advice.try')}</Button>
    </div>
  );
}

export function FilterAdvisor({ resource }: { resource: Resource }) {
  const { t } = useTranslation();
  const notify = useNotify();
  const may = useCan()('point', 'write');
  const save = useSave('points');
  const [modal, holder] = Modal.useModal();
  const [range, setRange] = useRange({ from: 'now-24h', to: 'now' });
  const [extra, setExtra] = useState<Setting[]>([]);
  const advice = useAdvice(resource.code, range.from, range.to, extra);
  const unit = unitText(resource.spec.unit as string | undefined);
  const now: Setting = { deadband: Number(resource.spec.deadband ?? 0), door: Number(resource.spec.door ?? 0) };
  const use = (r: Setting) => void modal.confirm({
    title: t('advice.useTitle', { code: resource.code }),
    content: r.deadband || r.door ? t('advice.useText', { deadband: formatNumber(r.deadband), door: formatNumber(r.door), unit }) : t('advice.offText'),
    okText: t('advice.use'), cancelText: t('action.cancel'),
    onOk: async () => {
      try {
        await save.mutateAsync({ id: resource.id, rev: resource.rev, input: { spec: { deadband: r.deadband || null, door: r.door || null } } });
        notify.done(t('advice.used'));
      } catch (e) {
        notify.failed(e);
      }
    },
  });
  const d = advice.data;
  return (
    <div className="col">
      {holder}
      <div className="row between wrap">
        <span className="soft">{now.deadband || now.door ? t('advice.now', { deadband: formatNumber(now.deadband), door: formatNumber(now.door), unit }) : t('advice.nowOff')}</span>
        <div className="row wrap">
          {(now.deadband > 0 || now.door > 0) && <Button disabled={!may} onClick={() => use({ deadband: 0, door: 0 })}>{t('advice.off')}</Button>}
          <TimeRange value={range} onChange={setRange} />
        </div>
      </div>
      {advice.error && <ErrorState error={advice.error} retry={() => void advice.refetch()} />}
      {advice.isPending && <Loading rows={4} />}
      {!advice.isPending && !advice.error && (!d || d.samples < 2) && <EmptyState title={t('advice.none')} help={t('advice.noneHelp')} />}
      {d && d.samples >= 2 && (
        <>
          <div>{t('advice.basis', { n: formatCount(d.samples), per: d.bytes_per_sample?.toFixed(2) ?? '—', noise: figure(d.noise, unit), span: figure(d.span, unit) })}</div>
          {d.truncated && <Alert type="info" showIcon title={t('advice.truncated')} />}
          {d.suggested && <Alert type="success" showIcon title={t('advice.suggested', { saved: d.suggested.saved_percent.toFixed(0), error: figure(d.suggested.max_error, unit) })} />}
          <Table<AdviceResult> size="small" pagination={false} rowKey={(r) => `${r.deadband}/${r.door}`} dataSource={d.results} scroll={{ x: 'max-content' }} columns={[
            { title: t('advice.deadband'), dataIndex: 'deadband', align: 'right', render: (v: number | null) => (v ? figure(v, unit) : '—') },
            { title: t('advice.door'), dataIndex: 'door', align: 'right', render: (v: number) => (v ? `± ${figure(v, unit)}` : '—') },
            { title: t('advice.kept'), dataIndex: 'kept', align: 'right', render: formatCount },
            { title: t('advice.saved'), dataIndex: 'saved_percent', align: 'right', render: (v: number) => `${v.toFixed(1)} %` },
            { title: t('advice.maxError'), dataIndex: 'max_error', align: 'right', render: (v: number | null) => figure(v, unit) },
            { title: t('advice.meanError'), dataIndex: 'mean_error', align: 'right', render: (v: number | null) => figure(v, unit) },
            { title: '', key: 'use', render: (_v, r) => (
              <span className="row">
                {d.suggested && same(settingOf(r), settingOf(d.suggested)) && <span className="quality good">{t('advice.best')}</span>}
                {same(settingOf(r), now) ? <span className="muted">{t('advice.inUse')}</span> : <Button size="small" disabled={!may} onClick={() => use(settingOf(r))}>{t('advice.use')}</Button>}
              </span>
            ) },
          ]} />
          <Try unit={unit} onTry={(s) => setExtra((was) => [...was.filter((x) => !same(x, s)), s])} />
          <p className="muted small">{t('advice.note')}</p>
        </>
      )}
    </div>
  );
}
