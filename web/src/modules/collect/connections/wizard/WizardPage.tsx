/* Add a device: channel, device, points, store. Nothing is stored before the last step. */
import { useQueryClient } from '@tanstack/react-query';
import { Button, Form, Space, Steps } from 'antd';
import { useEffect, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNavigate, useSearchParams } from 'react-router';
import { PageHeader } from '@/components/PageHeader';
import { ErrorState, Loading } from '@/components/states';
import { UnsavedGuard } from '@/components/UnsavedGuard';
import { toForm } from '@/components/schema/convert';
import { useNotify } from '@/components/notify';
import { ApiError, get } from '@/lib/api';
import { quote } from '@/lib/filter';
import { staleKind, useApi, useKind, useResource } from '@/lib/resources';
import { useNarrow } from '@/lib/useNarrow';
import type { ChannelStatus, ChannelsAnswer, Driver, Page, Resource, Spec } from '@/lib/types';
import { placeFaults } from '@/components/link/faults';
import { channelInput, valuesOf, type ChannelValues } from '../ChannelForm';
import { nextCode, useDrivers } from '../drivers';
import { ChannelStep } from './ChannelStep';
import { deviceInput, DeviceStep, type DeviceValues } from './DeviceStep';
import { FinishStep } from './FinishStep';
import { carryOut, nothingMade, type Input, type Outcome, type StepName } from './plan';
import { PointsStep } from './PointsStep';
import { server } from './server';
import { checkRows, specOf, type Row } from './sheet';
import { filled, useSheet } from './useSheet';
import '@/components/link/link.css';
import '../connections.css';

type Mode = 'new' | 'existing';

function Wizard({ drivers, channels, initial, onMore }: { drivers: Driver[]; channels: ChannelStatus[]; initial: string | null; onMore: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const notify = useNotify();
  const navigate = useNavigate();
  const narrow = useNarrow();
  const [taken] = useState(() => channels.map((c) => c.code));   /* as it was at the start: what we make ourselves does not count */
  const [step, setStep] = useState(0);
  const [channelForm] = Form.useForm<ChannelValues>();
  const [deviceForm] = Form.useForm<DeviceValues>();
  const [channelMode, setChannelMode] = useState<Mode>(initial ? 'existing' : 'new');
  const [deviceMode, setDeviceMode] = useState<Mode>('new');
  const [channelId, setChannelId] = useState<string | null>(initial);
  const [deviceId, setDeviceId] = useState<string | null>(null);
  const [driverName, setDriverName] = useState(drivers[0]?.name ?? '');
  const old = useResource('channels', channelMode === 'existing' && channelId ? channelId : undefined);
  const oldDevice = useResource('devices', deviceMode === 'existing' && deviceId ? deviceId : undefined);
  const driver = drivers.find((d) => d.name === (channelMode === 'existing' ? String(old.data?.spec.driver ?? '') : driverName));
  const pointKind = useKind('point');
  const fields = useMemo(() => pointKind?.fields ?? [], [pointKind]);
  const sheet = useSheet();
  const [made] = useState(nothingMade);   /* filled by carryOut, so that a retry goes on from it */
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const [progress, setProgress] = useState<{ step: StepName; done: number }>({ step: 'channel', done: 0 });
  const [busy, setBusy] = useState(false);
  const points = filled(sheet.rows);

  useEffect(() => {
    channelForm.setFieldsValue(valuesOf(drivers[0]));
  }, [channelForm, drivers]);

  const enterDevice = async () => {
    const base = channelMode === 'existing' ? (old.data?.code ?? 'dev') : String(channelForm.getFieldValue('code'));
    const fresh = toForm(driver?.device ?? [], {}, true);
    if (!deviceForm.getFieldValue('code')) {
      const there = channelMode === 'existing' && channelId ? (await get<Page<Resource>>('/devices', { filter: `channel=${quote(channelId)}`, size: 1000 })).items : [];
      deviceForm.setFieldsValue({ code: nextCode(base, there.map((d) => d.code)), name: '', options: fresh });
    }
    else deviceForm.setFieldsValue({ options: { ...fresh, ...(deviceForm.getFieldValue('options') as Spec) } });
    setStep(1);
  };
  const next = async () => {
    try {
      if (step === 0) {
        if (channelMode === 'new') await channelForm.validateFields();
        else if (!channelId || !driver) return void notify.failed(new Error(t('connections.wizard.chooseChannel')));
        await enterDevice();
      } else if (step === 1) {
        if (deviceMode === 'new') await deviceForm.validateFields();
        else if (!deviceId) return void notify.failed(new Error(t('connections.wizard.chooseDevice')));
        setStep(2);
      } else if (step === 2) await store();
    } catch (e) {
      if (e instanceof ApiError) notify.failed(e); /* else the form shows what is missing */
    }
    return undefined;
  };
  const channelValues = () => channelInput(driver, channelForm.getFieldsValue(true) as ChannelValues, false);
  const deviceValues = () => deviceInput(driver, deviceForm.getFieldsValue(true) as DeviceValues);
  const source = () => ({
    channel: channelMode === 'existing' && channelId ? channelId : (channelValues().spec as Spec),
    device: deviceMode === 'existing' && deviceId ? deviceId : (deviceValues().spec as Spec),
  });

  const store = async () => {
    const faults = checkRows(points, fields);
    if (faults.size > 0) {
      const errors = new Map<number, Row['errors']>();
      for (const [key, f] of faults) errors.set(key, Object.fromEntries(Object.entries(f).map(([c, fault]) => [c, t(`connections.fault.${fault}`)])));
      sheet.setErrors(errors);
      notify.failed(new Error(t('connections.wizard.rowsWrong', { n: faults.size })));
      return;
    }
    sheet.setErrors(new Map());
    setStep(3);
    setOutcome(null);
    setBusy(true);
    const area = deviceMode === 'existing' ? oldDevice.data?.spec.area : deviceValues().spec?.area;
    const input: Input = {
      channel: channelMode === 'existing' && channelId ? { id: channelId } : { input: channelValues() },
      device: deviceMode === 'existing' && deviceId ? { id: deviceId } : { input: deviceValues() },
      points: points.map((r) => ({ key: r.key, code: (r.cells.code ?? '').trim(), name: (r.cells.name ?? '').trim() || (r.cells.code ?? '').trim(), spec: { ...specOf(r, fields), ...(area ? { area } : {}) } })),
    };
    const result = await carryOut(server, input, made, (s, done) => setProgress({ step: s, done }));
    for (const kind of ['channels', 'devices', 'points']) void staleKind(client, kind);
    setBusy(false);
    setOutcome(result);
    sheet.setErrors(result.rows);
  };
  /* Back to where the fault is. */
  const fix = () => {
    if (!outcome) return;
    setStep(outcome.step === 'channel' ? 0 : outcome.step === 'device' ? 1 : 2);
    if (outcome.error && outcome.step === 'channel') placeFaults(channelForm, outcome.error);
    if (outcome.error && outcome.step === 'device') placeFaults(deviceForm, outcome.error);
  };
  const deviceCode = step !== 2 ? '' : deviceMode === 'existing' ? (oldDevice.data?.code ?? '') : String(deviceForm.getFieldValue('code') ?? '');
  const dirty = !outcome?.ok && (step > 0 || busy);
  const names = ['channel', 'device', 'points', 'finish'];
  return (
    <>
      <UnsavedGuard dirty={dirty} />
      <Steps current={step} size="small" responsive={false} titlePlacement={narrow ? 'vertical' : 'horizontal'} items={names.map((n) => ({ title: t(`connections.wizard.step.${n}`) }))} status={outcome && !outcome.ok ? 'error' : undefined} />
      <div className="panel wizard-body">
        <div className={step === 0 ? '' : 'hidden'}>
          <ChannelStep form={channelForm} drivers={drivers} driver={driver} taken={taken} existing={channelId} mode={channelMode} onMode={(m) => { setChannelMode(m); setDeviceMode('new'); }} onExisting={setChannelId} onDriver={setDriverName} onNext={() => void next()} />
        </div>
        <div className={step === 1 ? '' : 'hidden'}>
          <DeviceStep form={deviceForm} driver={driver} channelId={channelMode === 'existing' ? channelId : null} existing={deviceId} mode={deviceMode} onMode={setDeviceMode} onExisting={setDeviceId} onNext={() => void next()} />
        </div>
        {step === 2 && <PointsStep sheet={sheet} driver={driver} fields={fields} deviceCode={deviceCode} source={source} />}
        {step === 3 && <FinishStep made={made} outcome={outcome} progress={progress} total={points.length} codes={points.map((r) => (r.cells.code ?? '').trim())} onRetry={() => void store()} rows={outcome ? sheet.rows.flatMap((r, i) => { const e = outcome.rows.get(r.key); return e ? [{ n: i + 1, code: r.cells.code ?? '', text: Object.values(e).join('；') }] : []; }) : []} onBack={fix} onMore={onMore} />}
      </div>
      {step < 3 && (
        <Space className="wizard-foot">
          {step > 0 && <Button onClick={() => setStep(step - 1)}>{t('action.back')}</Button>}
          <Button type="primary" onClick={() => void next()}>{step < 2 ? t('action.next') : points.length > 0 ? t('connections.wizard.store', { n: points.length }) : t('connections.wizard.storeNone')}</Button>
          <Button type="text" onClick={() => void navigate('/connections')}>{t('action.cancel')}</Button>
        </Space>
      )}
    </>
  );
}

export function WizardPage() {
  const { t } = useTranslation();
  const [params] = useSearchParams();
  const [round, setRound] = useState(0);
  const drivers = useDrivers();
  const status = useApi<ChannelsAnswer>('/channels:status');
  const error = drivers.error ?? (status.data ? null : status.error);
  return (
    <div className="page fixed wizard">
      <PageHeader title={t('connections.wizard.title')} />
      {error ? <ErrorState error={error} retry={() => { void drivers.refetch(); void status.refetch(); }} />
        : drivers.data && status.data ? <Wizard key={round} drivers={drivers.data} channels={status.data.items} initial={params.get('channel')} onMore={() => setRound(round + 1)} />
        : <div className="panel"><Loading rows={8} /></div>}
    </div>
  );
}
