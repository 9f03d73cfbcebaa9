/* What was deleted: looked through and brought back. */
import { RollbackOutlined } from '@ant-design/icons';
import { Button } from 'antd';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useSearchParams } from 'react-router';
import { DataTable } from '@/components/DataTable';
import { useNotify } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState } from '@/components/states';
import { runEach } from '@/lib/bulk';
import { staleKind, textOf, useList } from '@/lib/resources';
import { useCan } from '@/lib/session';
import { useQueryClient } from '@tanstack/react-query';
import type { KindDoc } from '@/lib/types';
import { columnsOf } from '../cells';

export function Bin({ kind }: { kind: KindDoc }) {
  const { t, i18n } = useTranslation();
  const notify = useNotify();
  const client = useQueryClient();
  const can = useCan();
  const [params, setParams] = useSearchParams();
  const [selected, setSelected] = useState<string[]>([]);
  const [busy, setBusy] = useState(false);
  const page = Number(params.get('page') ?? 1);
  const size = Number(params.get('size') ?? 50);
  const list = useList(kind.plural, { deleted: 1, page, size, sort: '-updated_at' });
  const title = textOf(kind.titles ?? kind.title, i18n.language, kind.plural);
  const columns = useMemo(() => columnsOf(kind, t, i18n.language).map((c) => (c.key === 'code' ? { ...c, render: undefined, dataIndex: 'code' } : c.key === 'name' ? { ...c, render: undefined } : c)), [kind, t, i18n.language]);
  const restore = async () => {
    setBusy(true);
    const report = await runEach(kind.plural, selected, 'restore', {}, () => {}, new AbortController().signal);
    setBusy(false);
    setSelected([]);
    await staleKind(client, kind.plural);
    if (report.failed > 0) notify.failed(new Error(report.rows.flatMap((r) => r.errors ?? []).map((e) => e.detail).slice(0, 5).join('\n')));
    if (report.updated > 0) notify.done(t('bin.restored', { n: report.updated }));
  };
  return (
    <div className="page fixed">
      <PageHeader title={t('bin.titleOf', { what: title })} sub={<Link to={`/r/${kind.plural}`}>{t('bin.back')}</Link>} />
      {list.error && !list.data ? <ErrorState error={list.error} retry={() => void list.refetch()} />
        : <DataTable id={`${kind.kind}.bin`} columns={columns} rows={list.data?.items ?? []} rowKey={(r) => r.id} loading={list.isPending} empty={<EmptyState title={t('bin.empty')} help={t('bin.help')} />}
            total={list.data?.total} page={page} size={size} selected={selected} onSelect={setSelected}
            onPage={(p, s) => setParams((old) => { old.set('page', String(p)); old.set('size', String(s)); return old; }, { replace: true })}
            tools={selected.length > 0 && can(kind.kind, 'write')
              ? <><span className="soft">{t('bulk.selected', { n: selected.length })}</span><Button type="primary" icon={<RollbackOutlined />} loading={busy} onClick={() => void restore()}>{t('bin.restore')}</Button></>
              : <span className="soft">{t('bin.help')}</span>} />}
    </div>
  );
}
