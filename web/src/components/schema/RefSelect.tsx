/* Choosing resources of a kind by search; the value is the id (or the code, for points by code). */
import { Select } from 'antd';
import { useQuery, useQueries } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { get, seg } from '@/lib/api';
import { coded, nameOf } from '@/lib/names';
import { useKind } from '@/lib/resources';
import { useDebounced } from '@/lib/useDebounced';
import type { Page, Resource } from '@/lib/types';

interface Props {
  kind: string;
  value?: string | string[];
  onChange?: (value: string | string[] | null) => void;
  by?: 'id' | 'code';
  multiple?: boolean;
  disabled?: boolean;
  filter?: string;
  id?: string;
  placeholder?: string;
}

function label(r: Resource, lang: string): string {
  const name = nameOf(r, lang);
  if (!coded(r)) return name || r.id;
  return name && name !== r.code ? `${r.code}  ${name}` : r.code;
}

export function RefSelect({ kind, value, onChange, by = 'id', multiple, disabled, filter, id, placeholder }: Props) {
  const { t, i18n } = useTranslation();
  const doc = useKind(kind);
  const [text, setText] = useState('');
  const [open, setOpen] = useState(false);
  const q = useDebounced(text, 200);
  const plural = doc?.plural;
  const found = useQuery({
    queryKey: [`/${plural}`, { q, size: 20, filter }],
    queryFn: ({ signal }) => get<Page<Resource>>(`/${plural}`, { q, size: 20, filter }, signal),
    enabled: Boolean(plural) && open,
  });
  const chosen = value === undefined || value === null || value === '' ? [] : Array.isArray(value) ? value : [value];
  const current = useQueries({
    queries: chosen.map((v) => ({
      queryKey: [`/${plural}/${seg(v)}`, null],
      queryFn: ({ signal }: { signal: AbortSignal }) => get<Resource>(`/${plural}/${seg(v)}`, undefined, signal),
      enabled: Boolean(plural),
      retry: false,
      staleTime: 60000,
    })),
  });
  const options = new Map<string, string>();
  current.forEach((c, i) => options.set(chosen[i], c.data ? label(c.data, i18n.language) : chosen[i]));
  for (const r of found.data?.items ?? []) options.set(by === 'id' ? r.id : r.code, label(r, i18n.language));
  return (
    <Select id={id} value={multiple ? chosen : chosen[0]} mode={multiple ? 'multiple' : undefined} disabled={disabled} allowClear
      showSearch={{ filterOption: false, onSearch: setText, searchValue: text }} open={open} onOpenChange={setOpen} loading={found.isFetching}
      placeholder={placeholder ?? t('form.choose')} notFoundContent={t('state.nothingFound')}
      options={[...options].map(([v, l]) => ({ value: v, label: l }))}
      onChange={(v) => { setText(''); onChange?.((v as string | string[] | undefined) ?? null); }} />
  );
}
