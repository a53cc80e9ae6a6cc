// Runs the 61 audits of the GraphQL-over-HTTP working group; prints what is not ok as JSON.
import { auditServer } from 'graphql-http';
const [url, token] = process.argv.slice(2);
// Some audits introspect, which is for callers who have signed in.
const fetchFn = (input, init = {}) =>
  fetch(input, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } });
const results = await auditServer({ url, fetchFn });
const faults = results
  .filter((result) => result.status !== 'ok')
  .map(({ id, name, status, reason }) => ({ id, name, status, reason }));
console.log(JSON.stringify({ count: results.length, faults }));
