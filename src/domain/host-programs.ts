/** Of which files in `src/host/` each program's text is made, in order: the libraries that it needs, and no other. */
import type { HostOrder } from './host-order.ts';

const CHANGE = ['lib.sh', 'lib-change.sh'];
const SERVICE = ['lib.sh', 'lib-service.sh'];

export const HOST_PROGRAM_FILES: Readonly<Record<HostOrder['program'], readonly string[]>> = {
  look: [...CHANGE, 'look.sh'],
  upgrade: [...CHANGE, 'upgrade.sh'],
  revert: [...CHANGE, 'revert.sh'],
  prove: [...CHANGE, 'prove.sh'],
  confirm: [...CHANGE, 'confirm.sh'],
  probe: ['lib.sh', 'probe.sh'],
  status: [...SERVICE, 'status.sh'],
  service: [...SERVICE, 'service.sh'],
  install: [...CHANGE, 'lib-service.sh', 'install.sh'],
  remove: [...CHANGE, 'lib-service.sh', 'remove.sh'],
};
