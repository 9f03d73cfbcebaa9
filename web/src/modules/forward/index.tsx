/* Module forward: points offered or sent to other systems. */
import { ExportOutlined, SwapOutlined } from '@ant-design/icons';
import { lazyPage } from '@/app/lazyPage';
import type { WebModule } from '@/app/module';

export const forward: WebModule = {
  name: 'forward',
  menu: [
    { path: '/forwards', title: 'forward.menu', icon: <ExportOutlined />, group: 'iot', order: 43.1, need: ['forward', 'read'] },
    { path: '/r/forward-points', title: 'forward.mappings', icon: <SwapOutlined />, group: 'iot', order: 43.2, need: ['forward_point', 'read'] },
  ],
  routes: [{ path: 'forwards', lazy: lazyPage(() => import('./ForwardsPage'), 'ForwardsPage') }],
  open: { forward: (id) => `/forwards?open=${encodeURIComponent(id)}` },
};
