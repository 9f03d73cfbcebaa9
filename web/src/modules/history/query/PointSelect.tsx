/* Several points by code or name, searched on the server. */
import { Select } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { labelOf } from '@/lib/names';
import { useApi } from '@/lib/resources';
import type { Page, Resource } from '@/lib/types';
import { useDebounced } from '@/lib/useDebounced';

export function PointSelect({ value, onChange }: { value: string[]; onChange: (codes: string[]) => void }) {
  const { t, i18n } = useTranslation();
  const [text, setText] = useState('');
  const q = useDebounced(text.trim(), 200);
  const found = useApi<Page<Resource>>('/points', { q, sort: 'code', size: 50 }, { keep: true });
  return (
    <Select mode="multiple" maxTagCount="responsive" style={{ minWidth: 260, maxWidth: 520 }} className="grow" value={value} onChange={onChange} loading={found.isFetching}
      placeholder={t('hquery.points')} aria-label={t('hquery.points')} showSearch={{ filterOption: false, onSearch: setText }} notFoundContent={t('state.nothingFound')}
      options={(found.data?.items ?? []).map((p) => ({ value: p.code, label: p.code, title: labelOf(p, i18n.language) }))}
      optionRender={(o) => <span className="row between"><span className="mono">{o.label}</span><span className="muted small ellipsis">{o.data.title}</span></span>} />
  );
}
