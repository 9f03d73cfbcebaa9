/* This node's certificates: what to give to peers, how long they last, making, renewing, installing. */
import { Alert, Button, Modal } from 'antd';
import { Fragment, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { useNotify } from '@/components/notify';
import { EmptyState, ErrorState, Loading } from '@/components/states';
import { post, seg } from '@/lib/api';
import { useApi } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { formatTime } from '@/lib/time';
import type { Page } from '@/lib/types';
import { Downloads } from './FilePanel';
import { PemDialog } from './PemDialog';
import { PURPOSES, validity, type Own } from './types';

function Facts({ own }: { own: Own }) {
  const { t } = useTranslation();
  const rows: [string, string][] = [
    ['subject', own.spec.subject], ['uri', own.spec.uri ?? ''], ['hosts', own.spec.hosts ?? ''],
    ['sha1', own.spec.thumbprint_sha1], ['sha256', own.spec.thumbprint_sha256],
  ];
  return (
    <dl className="facts">
      {rows.map(([k, v]) => <Fragment key={k}><dt>{t(`trust.${k}`)}</dt><dd className="mono small">{v || '—'}</dd></Fragment>)}
      <dt>{t('trust.valid')}</dt>
      <dd>{formatTime(own.spec.not_before)} — <span className={`quality ${validity(own.spec.not_after)}`}>{formatTime(own.spec.not_after)}</span></dd>
    </dl>
  );
}

function OwnCard({ own, onChanged }: { own: Own; onChanged: () => void }) {
  const { t } = useTranslation();
  const notify = useNotify();
  const may = useCan()('own_certificate', 'admin');
  const [modal, holder] = Modal.useModal();
  const [installing, setInstalling] = useState(false);
  const renew = async () => {
    try {
      await post(`/own-certificates/${seg(own.id)}:renew`);
      notify.done(t('trust.renewed'));
      onChanged();
    } catch (e) {
      notify.failed(e);
    }
  };
  const ask = () => void modal.confirm({ title: t('trust.renew'), content: t('trust.renewAsk'), okText: t('trust.renew'), cancelText: t('action.cancel'), onOk: renew });
  const state = validity(own.spec.not_after);
  return (
    <section className="panel panel-body col">
      {holder}
      <div className="row wrap">
        <h3 className="grow">{t(`trust.purpose.${own.spec.purpose}`, own.spec.purpose)}</h3>
        <Downloads plural="own-certificates" id={own.id} />
        <Link to={`/r/own-certificates/${seg(own.id)}`}>{t('trust.details')}</Link>
      </div>
      {state !== 'good' && <Alert type={state === 'bad' ? 'error' : 'warning'} showIcon title={t(state === 'bad' ? 'trust.ended' : 'trust.ending')} />}
      <Facts own={own} />
      {may && (
        <div className="row wrap">
          <Button onClick={ask}>{t('trust.renew')}</Button>
          <Button onClick={() => setInstalling(true)}>{t('trust.install')}</Button>
        </div>
      )}
      <PemDialog open={installing} title={t('trust.install')} help={t('trust.installHelp')} withKey onClose={() => setInstalling(false)}
        onSend={(v) => post(`/own-certificates/${seg(own.id)}:install`, v).then(onChanged)} />
    </section>
  );
}

export function OwnCertificates() {
  const { t } = useTranslation();
  const notify = useNotify();
  const may = useCan()('own_certificate', 'admin');
  const list = useApi<Page<Own>>('/own-certificates', { size: 50 }, { keep: true });
  if (list.error && !list.data) return <ErrorState error={list.error} retry={() => void list.refetch()} />;
  if (!list.data) return <Loading />;
  const have = new Set(list.data.items.map((o) => o.spec.purpose));
  const make = async (purpose: string) => {
    try {
      await post('/own-certificates:make', { purpose });
      await list.refetch();
    } catch (e) {
      notify.failed(e);
    }
  };
  return (
    <div className="col">
      <span className="soft">{t('trust.ownHelp')}</span>
      {list.data.items.map((o) => <OwnCard key={o.id} own={o} onChanged={() => void list.refetch()} />)}
      {list.data.items.length === 0 && <EmptyState title={t('trust.noneOwn')} help={t('trust.noneOwnHelp')} />}
      {may && <div className="row wrap">{PURPOSES.filter((p) => !have.has(p)).map((p) => <Button key={p} onClick={() => void make(p)}>{t('trust.make', { purpose: t(`trust.purpose.${p}`) })}</Button>)}</div>}
    </div>
  );
}
