/* What a mapping would store of the chosen message; asked again when either has changed. */
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { post, type ApiError } from '@/lib/api';
import type { MappingPreview } from '@/lib/pending';
import type { Sample } from './SamplePicker';

export function usePreview(spec: string, sample: Sample) {
  const m = sample.message;
  return useQuery<MappingPreview, ApiError>({
    queryKey: ['/mqtt/mappings:preview', spec, sample.topic, m?.payload ?? m?.payload_hex, m?.from],
    queryFn: () => post<MappingPreview>('/mqtt/mappings:preview', {
      spec: JSON.parse(spec) as unknown, topic: sample.topic, client: m?.device ? m.from : '',
      ...(m?.payload === null ? { payload_hex: m.payload_hex } : { payload: m?.payload ?? '' }),
    }),
    enabled: m !== undefined,
    placeholderData: keepPreviousData,
    retry: false,
  });
}
