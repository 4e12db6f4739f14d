// Node's client of TLS against tls_echo.lua: tls_client.js PORT FOLDER. Says "all is well" at the end.
const assert = require('assert');
const fs = require('fs');
const tls = require('tls');

const [port, folder] = [Number(process.argv[2]), process.argv[3]];
const read = (name) => fs.readFileSync(`${folder}/${name}`);

// { shown: whose certificate the server has, text: what it says }, or { error: what has gone wrong }.
function ask(servername, certificate, options = {}) {
  return new Promise((resolve) => {
    const own = certificate ? { cert: read(`${certificate}.crt`), key: read(`${certificate}.key`) } : {};
    let shown;
    const socket = tls.connect({ port, host: '127.0.0.1', servername, ca: read('authority.crt'), ...own, ...options,
      checkServerIdentity: () => undefined }, () => {
      shown = socket.getPeerCertificate().subject.CN;
      socket.write('hello\n');
    });
    let text = '';
    socket.on('data', (piece) => { text += piece; });
    socket.on('end', () => resolve({ shown, text }));
    socket.on('error', (error) => resolve({ error: error.message }));
  });
}

async function main() {
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    const options = { minVersion: version, maxVersion: version };
    for (const [asked, shown] of [['a.test', 'a.test'], ['x.b.test', 'star.b.test'], ['other.test', 'good']]) {
      const answer = await ask(asked, 'anna', options);
      assert.deepStrictEqual(answer, { shown, text: `echo of ${asked} for CN=anna: hello\n` });
    }
    assert.match((await ask('a.test', 'foreign', options)).error, /unknown ca/);
    assert.match((await ask('a.test', 'expired', options)).error, /certificate expired/);
    assert.match((await ask('a.test', undefined, options)).error, /certificate required|handshake failure/);
  }
  console.log('all is well');
}

main().catch((error) => { console.error(error); process.exit(1); });
