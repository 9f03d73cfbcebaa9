/* One thing that a device offers, in a line. */
import { shortValue } from './browse';
import type { BrowseItem } from '@/lib/types';

export function BrowseTitle({ item }: { item: BrowseItem }) {
  return (
    <span className="browse-item">
      <span>{item.name}</span>
      {item.description && item.description !== item.name && <span className="soft small"> {item.description}</span>}
      {item.address && <code className="mono small muted"> {item.address}</code>}
      {item.value !== null && item.value !== undefined && <b className="num small"> {shortValue(item.value)}{item.unit ? ` ${item.unit}` : ''}</b>}
    </span>
  );
}
