import type { ReactNode } from 'react';

export function PageHeader({ title, sub, extra }: { title: ReactNode; sub?: ReactNode; extra?: ReactNode }) {
  return (
    <div className="page-head">
      <h1>{title}</h1>
      {sub && <span className="soft">{sub}</span>}
      <span className="grow" />
      {extra}
    </div>
  );
}
