/* Everything that can be configured, kind by kind, grouped by the module that brings it; users' own kinds first. */
import { PlusOutlined } from '@ant-design/icons';
import { Button, Input } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useNavigate } from 'react-router';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState, Loading } from '@/components/states';
import { isUserKind, textOf, useKind, useKinds, useList } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { formatCount } from '@/lib/units';
import type { KindDoc } from '@/lib/types';
import './resource.css';

function KindCard({ kind }: { kind: KindDoc }) {
  const { i18n } = useTranslation();
  const { data } = useList(kind.single ? null : kind.plural, { size: 1 });
  return (
    <Link to={`/r/${kind.plural}`} className="panel card">
      <div className="row between"><strong>{textOf(kind.titles ?? kind.title, i18n.language)}</strong>{!kind.single && <span className="num">{formatCount(data?.total)}</span>}</div>
      <div className="soft small">{textOf(kind.help, i18n.language)}</div>
    </Link>
  );
}

export function KindsPage() {
  const { t, i18n } = useTranslation();
  const can = useCan();
  const navigate = useNavigate();
  const maker = useKind('user_kind');
  const [text, setText] = useState('');
  const { data, error, refetch } = useKinds();
  if (error) return <ErrorState error={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  const needle = text.trim().toLowerCase();
  const shown = data.filter((k) => k.api !== false && can(k.kind, 'read') && `${k.kind} ${textOf(k.titles ?? k.title, i18n.language)} ${textOf(k.help, i18n.language)}`.toLowerCase().includes(needle));
  const own = shown.filter(isUserKind);
  const modules = [...new Set(shown.filter((k) => !isUserKind(k)).map((k) => k.module ?? 'core'))];
  const group = (title: string, kinds: KindDoc[]) => kinds.length > 0 && (
    <section key={title} className="col"><h2 className="kinds-group">{title}</h2><div className="cards">{kinds.map((k) => <KindCard key={k.kind} kind={k} />)}</div></section>
  );
  return (
    <div className="page">
      <PageHeader title={t('kinds.title')} extra={(
        <>
          <Input.Search allowClear placeholder={t('list.search')} value={text} onChange={(e) => setText(e.target.value)} style={{ width: 240 }} />
          {maker && can('user_kind', 'write') && <Button type="primary" icon={<PlusOutlined />} onClick={() => void navigate('/r/user-kinds/new')}>{t('design.newKind')}</Button>}
        </>
      )} />
      {group(t('nav.group.own'), own)}
      {modules.map((m) => group(t(`kinds.modules.${m}`, { defaultValue: t('kinds.module', { module: m }) }), shown.filter((k) => !isUserKind(k) && (k.module ?? 'core') === m)))}
      {shown.length === 0 && <EmptyState title={t('state.nothingFound')} />}
    </div>
  );
}
