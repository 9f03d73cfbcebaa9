/* The account behind a user: lock, password, second factor, sessions; what an administrator does about them. */
import { Button, Modal, Space } from 'antd';
import { useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { useNotify } from '@/components/notify';
import { RelativeTime } from '@/components/RelativeTime';
import { ErrorState, Loading } from '@/components/states';
import { del, post, seg } from '@/lib/api';
import { staleKind, useApi } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { formatTime } from '@/lib/time';
import type { Resource } from '@/lib/types';
import type { UserState } from './types';

export function Account({ resource }: { resource: Resource }) {
  const { t } = useTranslation();
  const notify = useNotify();
  const client = useQueryClient();
  const may = useCan()('user', 'admin');
  const [modal, holder] = Modal.useModal();
  const { data, error, refetch } = useApi<{ items: UserState[] }>('/users:state', undefined, { every: 15000 });
  if (error && !data) return <ErrorState error={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  const s = data.items.find((x) => x.id === resource.id);
  if (!s) return <ErrorState error={new Error(t('state.notFound'))} />;
  const act = async (work: () => Promise<unknown>, done: string) => {
    try {
      await work();
      await staleKind(client, 'users');
      await refetch();
      notify.done(done);
    } catch (e) {
      notify.failed(e);
    }
  };
  const ask = (title: string, work: () => Promise<unknown>, done: string) =>
    void modal.confirm({ title, okText: t('action.done'), cancelText: t('action.cancel'), onOk: () => act(work, done) });
  return (
    <div className="panel panel-body col">
      {holder}
      <dl className="facts">
        <dt>{t('account.locked')}</dt><dd className={s.locked ? 'quality bad' : ''}>{s.locked ? t('account.lockedUntil', { at: s.locked_until ? formatTime(s.locked_until) : '—' }) : t('value.no')}{s.failures > 0 ? ` (${t('account.failures', { n: s.failures })})` : ''}</dd>
        <dt>{t('account.password')}</dt><dd>{s.password_set_at ? formatTime(s.password_set_at) : t('account.noPassword')}</dd>
        <dt>{t('account.factor')}</dt><dd>{s.second_factor ? t('value.yes') : s.needs_second_factor ? t('account.factorNeeded') : t('value.no')}</dd>
        <dt>{t('account.sessions')}</dt><dd>{s.sessions}</dd>
        <dt>{t('account.tokens')}</dt><dd>{s.tokens}</dd>
        <dt>{t('account.seen')}</dt><dd><RelativeTime at={s.seen_at} /></dd>
        {s.external && <><dt>{t('account.external')}</dt><dd>{t('value.yes')}</dd></>}
      </dl>
      {may && (
        <Space wrap>
          <Button disabled={!s.locked} onClick={() => void act(() => post(`/users/${seg(s.id)}:unlock`), t('account.unlocked'))}>{t('account.unlock')}</Button>
          <Button disabled={s.sessions === 0} onClick={() => ask(t('account.signOutAsk', { who: s.login }), () => post(`/users/${seg(s.id)}:sign-out`), t('account.signedOut'))}>{t('account.signOut')}</Button>
          <Button danger disabled={!s.second_factor} onClick={() => ask(t('account.dropFactorAsk', { who: s.login }), () => del(`/users/${seg(s.id)}/totp`), t('account.factorDropped'))}>{t('account.dropFactor')}</Button>
        </Space>
      )}
    </div>
  );
}
