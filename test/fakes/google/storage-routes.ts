/** Which operation of Cloud Storage a request means, by its method and path. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Operation } from './storage-faults.ts';
import { isSigned } from './storage-signed.ts';

export interface Asked {
  readonly operation: Operation;
  readonly method: string;
  /** As it came. */
  readonly url: string;
  readonly path: string;
  readonly bucket: string;
  /** The object's; empty where the request is about none. */
  readonly name: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** null for what Cloud Storage does not know, or this fake does not. */
export function routeOf(
  method: string,
  url: string,
  headers: IncomingHttpHeaders,
  body: Buffer,
): Asked | null {
  const [path = '', text = ''] = url.split('?', 2);
  const query = new URLSearchParams(text);
  const asked = (operation: Operation, bucket: string, name = ''): Asked => ({
    operation,
    method,
    url,
    path,
    bucket: decodeURIComponent(bucket),
    name: decodeURIComponent(name),
    query,
    headers,
    body,
  });
  const [, prefix, rest] = /^(\/upload|\/download)?\/storage\/v1\/b(?:\/(.*))?$/.exec(path) ?? [];
  if (rest === undefined && !path.startsWith('/storage/v1/b')) {
    const [, bucket = '', name = ''] = /^\/([^/]+)\/(.+)$/.exec(path) ?? [];
    return method === 'GET' && bucket !== '' && isSigned(query) ? asked('signed-get', bucket, name) : null;
  }
  if (rest === undefined || rest === '') return method === 'POST' ? asked('bucket-insert', '') : null;
  const [bucket = '', kind, name = ''] = rest.split('/');
  if (kind === undefined) return method === 'GET' ? asked('bucket-get', bucket) : null;
  if (kind === 'iam') return name === 'testPermissions' ? asked('test-permissions', bucket) : null;
  if (kind !== 'o') return null;
  if (prefix === '/upload') return asked(uploadOf(method, query, headers), bucket, query.get('name') ?? '');
  if (name === '') return method === 'GET' ? asked('list', bucket) : null;
  if (method === 'DELETE') return asked('delete', bucket, name);
  if (method === 'PATCH') return asked('patch', bucket, name);
  if (method !== 'GET') return null;
  const media = query.get('alt') === 'media' || prefix === '/download';
  return asked(media ? 'media' : 'get', bucket, name);
}

function uploadOf(method: string, query: URLSearchParams, headers: IncomingHttpHeaders): Operation {
  if (query.get('uploadType') !== 'resumable') return 'insert';
  if (!query.has('upload_id')) return 'resumable-start';
  if (method === 'DELETE') return 'resumable-cancel';
  return headers['content-range']?.startsWith('bytes */') === true ? 'resumable-status' : 'resumable-chunk';
}
