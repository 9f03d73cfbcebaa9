/* Files that belong to a resource: sent by dropping or choosing, looked at, taken away. */
import { DeleteOutlined, DownloadOutlined, FileOutlined, InboxOutlined } from '@ant-design/icons';
import { Button, Image, Progress, Tag } from 'antd';
import { useQueryClient } from '@tanstack/react-query';
import { useRef, useState, type DragEvent } from 'react';
import { useTranslation } from 'react-i18next';
import { ConfirmDelete } from '@/components/ConfirmDelete';
import { useNotify } from '@/components/notify';
import { RelativeTime } from '@/components/RelativeTime';
import { EmptyState, ErrorState, Loading } from '@/components/states';
import { del, post, seg } from '@/lib/api';
import { attachmentUrl, staleKind, textOf, upload, useAttachments } from '@/lib/resources';
import { formatBytes } from '@/lib/units';
import type { Attachment } from '@/lib/pending';
import type { KindDoc, Resource } from '@/lib/types';

export function Attachments({ kind, resource, readOnly }: { kind: KindDoc; resource: Resource; readOnly: boolean }) {
  const { t, i18n } = useTranslation();
  const notify = useNotify();
  const client = useQueryClient();
  const input = useRef<HTMLInputElement>(null);
  const [sending, setSending] = useState<{ name: string; part: number } | null>(null);
  const [over, setOver] = useState(false);
  const [going, setGoing] = useState<Attachment | null>(null);
  const { data, error, refetch } = useAttachments(kind.plural, resource.id);
  const take = async (files: File[]) => {
    try {
      for (const file of files) {
        setSending({ name: file.name, part: 0 });
        const up = await upload(file, file.name, (part) => setSending({ name: file.name, part }));
        await post(`/${kind.plural}/${seg(resource.id)}/attachments`, { upload: up.id });
      }
    } catch (e) {
      notify.failed(e);
    } finally {
      setSending(null);
      await staleKind(client, kind.plural);
    }
  };
  const drop = (e: DragEvent) => {
    e.preventDefault();
    setOver(false);
    if (!readOnly) void take([...e.dataTransfer.files]);
  };
  if (error) return <ErrorState error={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  const fieldTitle = (name: string | undefined) => (name ? textOf(kind.fields.find((f) => f.name === name)?.title, i18n.language, name) : '');
  return (
    <div className={`col attachments${over ? ' over' : ''}`} onDragOver={(e) => { e.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)} onDrop={drop}>
      {!readOnly && (
        <div className="drop slim">
          <input ref={input} type="file" multiple hidden onChange={(e) => { void take([...(e.target.files ?? [])]); e.target.value = ''; }} aria-label={t('attach.add')} />
          {sending ? <div className="row"><span className="ellipsis">{sending.name}</span><Progress percent={Math.round(sending.part * 100)} status="active" /></div>
            : <span><InboxOutlined /> {t('attach.drop')} <Button size="small" onClick={() => input.current?.click()}>{t('attach.add')}</Button></span>}
        </div>
      )}
      {data.items.length === 0 && <EmptyState title={t('attach.none')} />}
      <div className="attach-grid">
        {data.items.map((a) => (
          <div key={a.id} className="panel attach">
            <div className="attach-look">{a.type?.startsWith('image/') ? <Image src={attachmentUrl(a.id)} alt={a.name} height={120} /> : <FileOutlined className="drop-icon" />}</div>
            <div className="attach-body">
              <a href={attachmentUrl(a.id)} target="_blank" rel="noreferrer" className="ellipsis" title={a.name}>{a.name}</a>
              <span className="soft small">{formatBytes(a.size)} · <RelativeTime at={a.at} /> {a.by}</span>
              {a.field && <span><Tag>{fieldTitle(a.field)}</Tag></span>}
            </div>
            <div className="row">
              <a href={attachmentUrl(a.id)} download={a.name} aria-label={`${t('attach.download')} ${a.name}`} title={t('attach.download')}><DownloadOutlined /></a>
              {!readOnly && <Button type="text" size="small" icon={<DeleteOutlined />} aria-label={`${t('action.delete')} ${a.name}`} onClick={() => setGoing(a)} />}
            </div>
          </div>
        ))}
      </div>
      {going && <ConfirmDelete open what={going.name} type={going.name} onClose={() => setGoing(null)} onDelete={async () => { await del(`/attachments/${seg(going.id)}`); await staleKind(client, kind.plural); }} />}
    </div>
  );
}
