/* The certificate as a file, in the detail of both kinds. */
import { useTranslation } from 'react-i18next';
import { BASE, seg } from '@/lib/api';
import type { Resource } from '@/lib/types';

export function Downloads({ plural, id }: { plural: string; id: string }) {
  const { t } = useTranslation();
  const url = `${BASE}/${plural}/${seg(id)}/certificate`;
  return (
    <span className="row wrap">
      <a href={url} download>{t('trust.pem')}</a>
      <a href={`${url}?format=der`} download>{t('trust.der')}</a>
    </span>
  );
}

export function FilePanel({ resource }: { resource: Resource }) {
  const { t } = useTranslation();
  return (
    <div className="panel panel-body col">
      <span className="soft">{t('trust.fileHelp')}</span>
      <Downloads plural={resource.kind === 'own_certificate' ? 'own-certificates' : 'peer-certificates'} id={resource.id} />
    </div>
  );
}
