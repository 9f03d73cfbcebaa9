/* Outlets with their option tables; values of a form and what is sent. */
import { useQuery } from '@tanstack/react-query';
import { fromForm, toForm } from '@/components/schema/convert';
import { get, type ApiError } from '@/lib/api';
import type { FieldDoc, KindDoc, Outlet, Resource, ResourceInput, Spec } from '@/lib/types';

export interface ForwardValues {
  code: string;
  name?: string;
  outlet: string;
  enabled?: boolean;
  options?: Spec;
  rest?: Spec;      /* the other fields of the kind */
}

export function useOutlets() {
  return useQuery<Outlet[], ApiError>({
    queryKey: ['/outlets'],
    queryFn: async ({ signal }) => (await get<{ items: Outlet[] }>('/outlets', undefined, signal)).items,
    staleTime: 10 * 60000,
  });
}

const OWN = ['outlet', 'enabled', 'options'];
const POINTS = ['filter', 'writes', 'deadband', 'min_interval', 'max_interval'];
const TELLING = ['deadband', 'min_interval', 'max_interval']; /* of what is told, not of what is asked for */
const BUFFER = ['gather', 'buffer_hours', 'buffer_mb'];

/* What the kind says beside the protocol: about points, and, where there is a buffer, about that. */
export function fieldsOf(kind: KindDoc | undefined, outlet: Outlet | undefined): { points: FieldDoc[]; buffer: FieldDoc[] } {
  const all = (kind?.fields ?? []).filter((f) => !OWN.includes(f.name));
  return { points: all.filter((f) => POINTS.includes(f.name) && (outlet?.tells !== false || !TELLING.includes(f.name))), buffer: outlet?.buffered ? all.filter((f) => BUFFER.includes(f.name)) : [] };
}

export function valuesOf(outlet: Outlet | undefined, kind: KindDoc | undefined, from?: Resource): ForwardValues {
  const fields = outlet?.channel ?? [];
  const { points, buffer } = fieldsOf(kind, outlet);
  return {
    code: from?.code ?? '', name: from?.name ?? '', outlet: outlet?.name ?? String(from?.spec.outlet ?? ''),
    enabled: from ? from.spec.enabled !== false : true,
    options: { ...toForm(fields, {}, true), ...toForm(fields, (from?.spec.options ?? {}) as Spec, false) },
    rest: from ? toForm([...points, ...buffer], from.spec, false) : { ...toForm([...points, ...buffer], {}, true), filter: '*' },
  };
}

export function inputOf(outlet: Outlet | undefined, kind: KindDoc | undefined, v: ForwardValues, full: boolean): ResourceInput {
  const { points, buffer } = fieldsOf(kind, outlet);
  return {
    code: v.code.trim(), name: (v.name ?? '').trim() || v.code.trim(),
    spec: { outlet: v.outlet, enabled: v.enabled ?? true, ...fromForm([...points, ...buffer], v.rest, full), options: fromForm(outlet?.channel ?? [], v.options, full) },
  };
}
