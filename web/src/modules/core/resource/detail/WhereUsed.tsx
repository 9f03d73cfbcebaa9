/* Who refers to this one, kind by kind. */
import { Pagination } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { pathOf } from '@/app/modules';
import { EmptyState, ErrorState, Loading } from '@/components/states';
import { textOf, useKinds, useWhereUsed } from '@/lib/resources';
import type { KindDoc, Resource } from '@/lib/types';

const SIZE = 100;

export function WhereUsed({ kind, resource }: { kind: KindDoc; resource: Resource }) {
  const { t, i18n } = useTranslation();
  const [page, setPage] = useState(1);
  const kinds = useKinds().data ?? [];
  const { data, error, refetch } = useWhereUsed(kind.plural, resource.id, page, SIZE);
  if (error) return <ErrorState error={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  if (data.items.length === 0) return <EmptyState title={t('used.none')} help={t('used.noneHelp')} />;
  const groups = new Map<string, typeof data.items>();
  for (const item of data.items) groups.set(item.kind, [...(groups.get(item.kind) ?? []), item]);
  const title = (doc: KindDoc | undefined, path: string) => {
    const name = path.replace(/^spec\./, '').split(/[.[]/)[0];
    return textOf(doc?.fields.find((f) => f.name === name)?.title, i18n.language, path);
  };
  return (
    <div className="col">
      {[...groups].map(([name, items]) => {
        const doc = kinds.find((k) => k.kind === name);
        return (
          <section key={name} className="panel">
            <div className="panel-head">{textOf(doc?.titles ?? doc?.title, i18n.language, name)} <span className="muted">{items.length}</span></div>
            <table className="diff used">
              <tbody>{items.map((x, i) => (
                <tr key={i}><td>{doc ? <Link to={pathOf(name, doc.plural, x.id)}>{x.code || x.id}</Link> : x.code}</td><td>{x.name}</td><td className="soft">{title(doc, x.path)}</td></tr>
              ))}</tbody>
            </table>
          </section>
        );
      })}
      {data.total > SIZE && <Pagination size="small" current={page} pageSize={SIZE} total={data.total} onChange={setPage} showSizeChanger={false} />}
    </div>
  );
}
