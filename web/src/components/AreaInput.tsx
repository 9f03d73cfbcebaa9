/* A path of an area, with the areas that exist as suggestions. */
import { AutoComplete } from 'antd';
import { useApi } from '@/lib/resources';
import type { TreeAnswer } from '@/lib/types';

export function AreaInput({ value, onChange, id }: { value?: string; onChange?: (v: string) => void; id?: string }) {
  const text = value ?? '';
  const parent = text.includes('/') ? text.slice(0, text.lastIndexOf('/')) : '';
  const { data } = useApi<TreeAnswer>('/points:tree', { parent }, { stale: 60000, keep: true });
  const options = (data?.items ?? []).filter((a) => a.path.toLowerCase().startsWith(text.toLowerCase())).slice(0, 50)
    .map((a) => ({ value: a.path, label: `${a.path}  ${a.title || (a.path.endsWith(a.name) ? '' : a.name)}` }));
  return <AutoComplete id={id} value={text} options={options} onChange={(v) => onChange?.(v ?? '')} placeholder="LT/GRD/BM01" allowClear />;
}
