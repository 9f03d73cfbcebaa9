/* The one before and after in the list that this page was opened from: buttons, Alt+↑ and Alt+↓. */
import { LeftOutlined, RightOutlined } from '@ant-design/icons';
import { Button } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNavigate } from 'react-router';
import { pathOf } from '@/app/modules';
import { useNotify } from '@/components/notify';
import { get } from '@/lib/api';
import { keepTrail, placeIn, trailOf } from '@/lib/neighbours';
import { useHotkeys } from '@/lib/useHotkeys';
import type { KindDoc, Page, Resource } from '@/lib/types';

export function Neighbours({ kind, id }: { kind: KindDoc; id: string }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const notify = useNotify();
  const [busy, setBusy] = useState(false);
  const trail = trailOf(kind.plural);
  const place = placeIn(trail, id);
  const go = async (to: string | number | null | undefined, forward: boolean) => {
    if (to === null || to === undefined || !trail || busy) return;
    let target = to;
    if (typeof to === 'number') {
      setBusy(true);
      try {
        const answer = await get<Page<Resource>>(`/${kind.plural}`, { ...trail.query, page: to, size: trail.size });
        const ids = answer.items.map((r) => r.id);
        keepTrail({ ...trail, page: to, total: answer.total, ids });
        target = (forward ? ids[0] : ids[ids.length - 1]) ?? '';
      } catch (e) {
        notify.failed(e);
        return;
      } finally {
        setBusy(false);
      }
    }
    if (target) void navigate(pathOf(kind.kind, kind.plural, String(target)));
  };
  useHotkeys({ 'Alt+ArrowUp': () => void go(place?.back, false), 'Alt+ArrowDown': () => void go(place?.on, true) }, { typing: ['Alt+ArrowUp', 'Alt+ArrowDown'] });
  if (!place) return null;
  return (
    <span className="row neighbours">
      <Button size="small" type="text" icon={<LeftOutlined />} disabled={place.back === null} loading={busy} title={`${t('keys.previous')} (Alt+↑)`} aria-label={t('keys.previous')} onClick={() => void go(place.back, false)} />
      <span className="soft small num">{place.index + 1} / {place.total}</span>
      <Button size="small" type="text" icon={<RightOutlined />} disabled={place.on === null} loading={busy} title={`${t('keys.next')} (Alt+↓)`} aria-label={t('keys.next')} onClick={() => void go(place.on, true)} />
    </span>
  );
}
