/* Routes: the two pages for who is not signed in, and the shell with every module's pages. */
import { createBrowserRouter } from 'react-router';
import { modules } from './modules';
import { NotFound, RouteFault } from './RouteFault';
import { Shell } from './shell/Shell';

export function makeRouter() {
  return createBrowserRouter([
    { path: '/login', lazy: async () => ({ Component: (await import('@/modules/core/login/LoginPage')).LoginPage }), ErrorBoundary: RouteFault, HydrateFallback: () => null },
    { path: '/setup', lazy: async () => ({ Component: (await import('@/modules/core/login/SetupPage')).SetupPage }), ErrorBoundary: RouteFault, HydrateFallback: () => null },
    {
      path: '/',
      Component: Shell,
      ErrorBoundary: RouteFault,
      HydrateFallback: () => null,
      children: [
        { ErrorBoundary: RouteFault, children: modules.flatMap((m) => m.routes) },
        { path: '*', Component: NotFound },
      ],
    },
  ]);
}
