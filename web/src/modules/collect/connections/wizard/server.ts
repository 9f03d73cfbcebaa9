/* The wizard's door to the server. */
import { asError, call, get, post } from '@/lib/api';
import { quote } from '@/lib/filter';
import { getResource } from '@/lib/resources';
import type { BulkReport, Page, Resource, ResourceInput } from '@/lib/types';
import type { Server } from './plan';

export const server: Server = {
  find: async (plural, code) => {
    try {
      return await getResource(plural, code);
    } catch (e) {
      if (asError(e).status === 404) return null;
      throw e;
    }
  },
  create: async (plural, input: ResourceInput) => (await call<Resource>('POST', `/${plural}`, { body: input })).data,
  patch: async (plural, id, input: ResourceInput) => (await call<Resource>('PATCH', `/${plural}/${encodeURIComponent(id)}`, { body: input })).data,
  codesOf: async (device) => {
    const codes = new Set<string>();
    for (let page = 1; ; page++) {
      const answer = await get<Page<Resource>>('/points', { filter: `device=${quote(device)}`, sort: 'code', page, size: 1000 });
      for (const r of answer.items) codes.add(r.code);
      if (answer.items.length < 1000) return codes;
    }
  },
  bulk: (items) => post<BulkReport>('/points:bulk', { dry_run: false, skip_errors: false, items }),
};
