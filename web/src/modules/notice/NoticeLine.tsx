/* One notice: shape and colour of its severity, the title as a link to what it is about. */
import { Link } from 'react-router';
import { RelativeTime } from '@/components/RelativeTime';
import { Shape, type ShapeName } from '@/components/Shape';
import type { Notice, Severity } from './types';
import './notice.css';

const look: Record<Severity, [ShapeName, string]> = {
  info: ['dot', 'var(--brand)'], warning: ['triangle', 'var(--uncertain)'], error: ['diamond', 'var(--bad)'], critical: ['square', 'var(--bad)'],
};

/* Links of the server lead to pages of this UI only. */
export function pageOf(link: string | undefined): string {
  return link && link.startsWith('/') && !link.startsWith('//') ? link : '';
}

export function NoticeLine({ notice, onOpen }: { notice: Notice; onOpen?: () => void }) {
  const [shape, color] = look[notice.severity] ?? look.info;
  const to = pageOf(notice.link);
  return (
    <div className={`notice${notice.read ? '' : ' unread'}`}>
      <Shape name={shape} color={color} />
      <div className="grow">
        <div className="row between">
          {to ? <Link to={to} onClick={onOpen} className="notice-title">{notice.title}</Link> : <span className="notice-title">{notice.title}</span>}
          <span className="muted small"><RelativeTime at={notice.at} /></span>
        </div>
        {notice.text && <div className="soft small notice-text">{notice.text}</div>}
      </div>
    </div>
  );
}
