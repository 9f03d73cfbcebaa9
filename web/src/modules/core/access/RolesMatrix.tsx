/* All roles beside each other: who may do what. Cells show the letters of the actions. */
import { Input, Table, Tooltip } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { PageHeader } from '@/components/PageHeader';
import { ErrorState, Loading } from '@/components/states';
import { useRoleName } from '@/lib/names';
import { useApi } from '@/lib/resources';
import { ACTIONS, type MatrixAnswer } from './types';

export function RolesMatrix() {
  const { t } = useTranslation();
  const roleName = useRoleName();
  const [text, setText] = useState('');
  const { data, error, refetch } = useApi<MatrixAnswer>('/roles:matrix');
  if (error && !data) return <ErrorState error={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  const rows = data.kinds.filter((k) => !text || k.kind.includes(text.toLowerCase()) || k.title.toLowerCase().includes(text.toLowerCase()));
  const cell = (actions: string[] | undefined) => (
    <Tooltip title={(actions ?? []).map((a) => t(`access.${a}`)).join(t('access.comma')) || t('access.nothing')}>
      <span className="mono">{ACTIONS.map((a) => (actions?.includes(a) ? t(`access.letter.${a}`) : '·')).join('')}</span>
    </Tooltip>
  );
  return (
    <div className="page">
      <PageHeader title={t('access.matrix')} sub={<Link to="/r/roles">{t('core.menu.roles')}</Link>} extra={<Input.Search allowClear value={text} onChange={(e) => setText(e.target.value)} placeholder={t('access.kindColumn')} aria-label={t('access.kindColumn')} style={{ width: 220 }} />} />
      <div className="soft small">{ACTIONS.map((a) => `${t(`access.letter.${a}`)} ${t(`access.${a}`)}`).join(' · ')}</div>
      <div className="panel">
        <Table size="small" pagination={false} rowKey="kind" dataSource={rows} scroll={{ x: 240 + data.roles.length * 130, y: 640 }} columns={[
          { title: t('access.kindColumn'), key: 'kind', width: 240, fixed: 'left', render: (_v, k: MatrixAnswer['kinds'][number]) => <>{k.title} <span className="muted mono">{k.kind}</span></> },
          ...data.roles.map((r) => ({ title: <Link to={`/r/roles/${r.code}`}>{roleName(r.code) || r.name}</Link>, key: r.code, width: 130, align: 'center' as const, render: (_v: unknown, k: MatrixAnswer['kinds'][number]) => cell(r.cells[k.kind]) })),
        ]} />
      </div>
    </div>
  );
}
