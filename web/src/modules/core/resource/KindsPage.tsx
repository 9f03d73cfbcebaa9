/* Everything that can be configured, kind by kind, grouped by the module that brings it. */
import { Input } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { PageHeader } from '@/components/PageHeader';
import { ErrorState, Loading } from '@/components/states';
import { textOf, useKinds, useList } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { formatCount } from '@/lib/units';
import type { KindDoc } from '@/lib/types';

function KindCard({ kind }: { kind: KindDoc }) {
  const { t, i18n } = useTranslation();
  const { data } = useList(kind.plural, { size: 1 });
  return (
    <Link to={`/r/${kind.plural}`} className="panel card">
      <div className="row between"><strong>{textOf(kind.titles ?? kind.title, i18n.language)}</strong><span className="num">{formatCount(data?.total)}</span></div>
      <div className="soft small">{textOf(kind.help, i18n.language)}</div>
      <div className="muted small">{t('kinds.module', { module: kind.module ?? 'core' })}</div>
    </Link>
  );
}

export function KindsPage() {
  const { t, i18n } = useTranslation();
  const can = useCan();
  const [text, setText] = useState('');
  const { data, error, refetch } = useKinds();
  if (error) return <ErrorState error={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  const needle = text.trim().toLowerCase();
  const shown = data.filter((k) => can(k.kind, 'read') && `${k.kind} ${textOf(k.titles ?? k.title, i18n.language)} ${textOf(k.help, i18n.language)}`.toLowerCase().includes(needle));
  return (
    <div className="page">
      <PageHeader title={t('kinds.title')} extra={<Input.Search allowClear placeholder={t('list.search')} value={text} onChange={(e) => setText(e.target.value)} style={{ width: 240 }} />} />
      <div className="cards">{shown.map((k) => <KindCard key={k.kind} kind={k} />)}</div>
    </div>
  );
}
