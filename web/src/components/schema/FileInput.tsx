/* A file field: sent at once with its progress, a picture is shown, a phone may use its camera. The value is
 * the attachment's id, or a FreshFile until the resource is saved. */
import { CameraOutlined, DeleteOutlined, FileOutlined, UploadOutlined } from '@ant-design/icons';
import { Button, Image, Progress } from 'antd';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { asError } from '@/lib/api';
import { attachmentUrl, upload } from '@/lib/resources';
import { formatBytes } from '@/lib/units';
import type { FreshFile } from './convert';
import type { InputProps } from './inputs';

const touch = () => window.matchMedia?.('(pointer: coarse)').matches ?? false;

/* "image" of a kind document -> what <input accept> wants. */
export const acceptOf = (accept: string | undefined) => (accept && !/[/.,*]/.test(accept) ? `${accept}/*` : accept);

export function FileInput({ field, value, onChange, id, disabled }: InputProps) {
  const { t } = useTranslation();
  const input = useRef<HTMLInputElement>(null);
  const camera = useRef<HTMLInputElement>(null);
  const stop = useRef<AbortController | null>(null);
  const [part, setPart] = useState<number | null>(null);
  const [fault, setFault] = useState('');
  useEffect(() => () => stop.current?.abort(), []);
  const fresh = value && typeof value === 'object' ? (value as FreshFile) : null;
  const stored = typeof value === 'string' && value ? value : null;
  const picture = fresh ? fresh.type.startsWith('image/') : field.accept?.startsWith('image');
  const src = fresh?.url ?? (stored ? attachmentUrl(stored) : undefined);
  const take = async (file: File | undefined) => {
    if (!file) return;
    setFault('');
    setPart(0);
    stop.current = new AbortController();
    try {
      const up = await upload(file, file.name, setPart, stop.current.signal);
      const url = file.type.startsWith('image/') ? URL.createObjectURL(file) : undefined;
      onChange?.({ upload: up.id, name: up.name || file.name, size: up.size ?? file.size, type: file.type || up.type, url } satisfies FreshFile);
    } catch (e) {
      if ((e as Error).name !== 'AbortError') setFault(asError(e).message);
    } finally {
      setPart(null);
    }
  };
  return (
    <div className="file-input">
      {src && picture && <Image src={src} alt={fresh?.name ?? t('form.picture')} height={96} />}
      {src && !picture && <a href={src} target="_blank" rel="noreferrer"><FileOutlined /> {t('form.openFile')}</a>}
      {fresh && !picture && !src && <span><FileOutlined /> {fresh.name}</span>}
      {fresh && <span className="soft small">{fresh.name} · {formatBytes(fresh.size)}</span>}
      {part !== null && <div className="row"><Progress percent={Math.round(part * 100)} size="small" /><Button size="small" onClick={() => stop.current?.abort()}>{t('action.cancel')}</Button></div>}
      {!disabled && part === null && (
        <div className="row wrap">
          <input ref={input} type="file" hidden accept={acceptOf(field.accept)} aria-label={field.name} onChange={(e) => { void take(e.target.files?.[0]); e.target.value = ''; }} />
          <Button id={id} icon={<UploadOutlined />} onClick={() => input.current?.click()}>{t(value ? 'form.otherFile' : 'form.chooseFile')}</Button>
          {touch() && field.accept?.startsWith('image') && (
            <>
              <input ref={camera} type="file" hidden accept="image/*" capture="environment" onChange={(e) => { void take(e.target.files?.[0]); e.target.value = ''; }} />
              <Button icon={<CameraOutlined />} onClick={() => camera.current?.click()}>{t('form.camera')}</Button>
            </>
          )}
          {Boolean(value) && <Button type="text" icon={<DeleteOutlined />} aria-label={t('action.remove')} onClick={() => onChange?.(null)} />}
        </div>
      )}
      {!value && disabled && <span className="muted">—</span>}
      {fault && <span className="quality bad small" role="alert">{fault}</span>}
    </div>
  );
}
