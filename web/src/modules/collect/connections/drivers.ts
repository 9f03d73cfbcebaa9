/* Drivers with their option tables, and the options that people look at first. */
import { useQuery } from '@tanstack/react-query';
import { get, type ApiError } from '@/lib/api';
import { freeCode } from '@/components/link/options';
import type { Driver, DriversAnswer, FieldDoc, Spec } from '@/lib/types';

export function useDrivers() {
  return useQuery<Driver[], ApiError>({
    queryKey: ['/drivers'],
    queryFn: async ({ signal }) => (await get<DriversAnswer>('/drivers', undefined, signal)).items,
    staleTime: 10 * 60000,
  });
}

/* "192.168.1.10", "gw-1502": short, without what a code may not hold, not taken yet. */
export function suggestCode(driver: string, options: Spec | undefined, defaults: FieldDoc[], taken: Iterable<string>): string {
  const host = String(options?.host ?? options?.device ?? options?.url ?? options?.endpoint ?? '').replace(/^[\w.]+:\/\//, '').replace(/^(?!\/)([^/]+)\/.*$/, '$1').replace(/[ ,;'"/]+/g, '-').replace(/^-+|-+$/g, '');
  const port = options?.port;
  const usual = defaults.find((f) => f.name === 'port')?.default;
  const base = `${host || `${driver.split('_')[0] || 'channel'}-1`}${port !== undefined && port !== null && port !== usual && host ? `-${String(port)}` : ''}`;
  return freeCode(base, taken);
}

/* Another protocol at the same place: an address that was typed is not typed again. */
export function keepPlace(fresh: Spec | undefined, was: Spec | undefined, driver: Driver | undefined): Spec {
  const knows = driver?.channel.some((f) => f.name === 'host');
  return { ...fresh, ...(knows && typeof was?.host === 'string' && was.host ? { host: was.host } : {}) };
}

/* base-1, base-2 …: the first that is free. */
export function nextCode(base: string, taken: Iterable<string>): string {
  const used = new Set(taken);
  let n = 1;
  while (used.has(`${base}-${n}`)) n++;
  return `${base}-${n}`;
}
