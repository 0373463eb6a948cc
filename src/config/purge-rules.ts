/** Which folders on a host a purge may remove: the agent's own, and nothing that others live in. */
import { type Fault, fault } from './problem.ts';
import { listOf } from './written-shape.ts';

/** Folders that hold more than one program's files: neither they nor what they are in may be purged. */
const SHARED = [
  '/etc apparmor.d apt cron.d default dpkg init.d logrotate.d network pam.d profile.d rsyslog.d security ssh ssl',
  '/etc sudoers.d sysctl.d systemd systemd/system udev',
  '/run lock rollout systemd user',
  '/usr bin games include lib lib/systemd lib32 lib64 libexec local sbin share share/doc src',
  '/usr/local bin etc lib sbin share src',
  '/var backups cache cache/apt lib local lock log log/journal mail opt run spool spool/cron tmp www',
  '/var/lib apt dpkg rollout systemd',
].flatMap((line) => {
  const [folder = '', ...names] = line.split(' ');
  return names.map((name) => `${folder}/${name}`);
});

/** Nothing in them is the agent's own. */
const NEVER_IN = [
  '/bin /boot /dev /lib /lib32 /lib64 /proc /sbin /sys',
  // What says which packages, which holds and which logins there are.
  '/etc/ssh /root/.ssh /run/rollout /var/lib/dpkg /var/lib/rollout',
].flatMap((line) => line.split(' ').map((folder) => `${folder}/`));

/** `paths` is what was written as `lifecycle.purgePaths`. */
export function purgeFaults(paths: unknown): Fault[] {
  return listOf(paths).flatMap((path, index) => {
    const why = typeof path === 'string' ? whyNotPurged(path) : null;
    if (why === null || typeof path !== 'string') return [];
    return [
      fault(['lifecycle', 'purgePaths', index], why, {
        found: path,
        allowed: ['a folder of the agent, such as /etc/osquery'],
      }),
    ];
  });
}

/** Null when a purge may remove it. */
function whyNotPurged(path: string): string | null {
  const parts = path.split('/').slice(1);
  if (!path.startsWith('/')) return 'it must be absolute: it is a folder on the host';
  if (/[\p{Cc}*?[\]\\]/u.test(path)) return 'it is taken as it stands: no wildcards, no control characters';
  if (parts.some((part) => part === '' || part === '.' || part === '..'))
    return 'it must be written plainly: no `.`, no `..`, no slash twice or at the end';
  const tooWide = 'a purge would remove more than the agent: it needs a folder of its own';
  if (parts.length < 2) return tooWide;
  if (/^\/home\/[^/]+$/.test(path) || NEVER_IN.some((folder) => `${path}/`.startsWith(folder)))
    return tooWide;
  return SHARED.some((folder) => folder === path || folder.startsWith(`${path}/`)) ? tooWide : null;
}
