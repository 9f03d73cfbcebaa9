/* System parameters: every kind that has exactly one resource, one form each. */
import { Menu } from 'antd';
import { useTranslation } from 'react-i18next';
import { useNavigate, useParams } from 'react-router';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState, Loading } from '@/components/states';
import { textOf, useKinds } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { Existing } from '../resource/DetailPage';

export function SettingsPage() {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const can = useCan();
  const { plural } = useParams();
  const { data, error, refetch } = useKinds();
  if (error && !data) return <ErrorState error={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  const kinds = data.filter((k) => k.single && can(k.kind, 'read'));
  const chosen = kinds.find((k) => k.plural === plural) ?? kinds[0];
  return (
    <div className="page">
      <PageHeader title={t('system.settings')} />
      {kinds.length === 0 ? <EmptyState title={t('state.denied')} /> : (
        <div className="settings">
          <Menu mode="vertical" className="panel settings-menu" selectedKeys={[chosen.plural]} onClick={({ key }) => void navigate(`/system/settings/${key}`)}
            items={kinds.map((k) => ({ key: k.plural, label: textOf(k.title, i18n.language, k.kind) }))} />
          <div className="grow"><Existing key={chosen.kind} kind={chosen} id="default" /></div>
        </div>
      )}
    </div>
  );
}
