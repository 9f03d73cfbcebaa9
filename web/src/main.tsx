import { createRoot } from 'react-dom/client';
import { App } from './app/App';
import { initI18n } from './app/i18n';
import './app/theme/tokens.css';
import './app/theme/base.css';

initI18n();
createRoot(document.getElementById('root') as HTMLElement).render(<App />);
