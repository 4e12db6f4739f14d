// Node's client against examples/web_lua: http_client.js PORT. Says "all is well" at the end.
const assert = require('assert');
const http = require('http');

const port = Number(process.argv[2]);

function ask(agent, method, path, pieces = []) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, method, path, agent }, (response) => {
      const body = [];
      response.on('data', (piece) => body.push(piece));
      response.on('error', reject);
      response.on('end', () => {
        assert(response.complete);
        resolve({ status: response.statusCode, body: Buffer.concat(body).toString(), ports: request.socket.localPort });
      });
    });
    request.on('error', reject);
    for (const piece of pieces) request.write(piece); // goes in chunks
    request.end();
  });
}

async function main() {
  const one = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set();
  for (let i = 0; i < 50; ++i) {
    const echo = await ask(one, 'POST', '/echo', ['a'.repeat(i + 1), 'b'.repeat(1000 * i + 1)]);
    assert.strictEqual(echo.body, 'a'.repeat(i + 1) + 'b'.repeat(1000 * i + 1));
    const count = await ask(one, 'GET', '/count?to=' + i * 50);
    assert.strictEqual(count.body.split('\n').length, i * 50 + 1);
    assert.strictEqual((await ask(one, 'HEAD', '/')).body, '');
    assert.strictEqual((await ask(one, 'GET', '/nothing')).status, 404);
    ports.add(count.ports);
  }
  assert.strictEqual(ports.size, 1);
  one.destroy();
  const many = new http.Agent({ keepAlive: true, maxSockets: 32 });
  const answers = await Promise.all([...Array(500).keys()].map((i) => ask(many, 'GET', '/greet?name=' + i)));
  answers.forEach((answer, i) => assert.strictEqual(answer.body, `hello ${i}\n`));
  many.destroy();
  const large = await ask(undefined, 'POST', '/echo', ['x'.repeat(1024 * 1024), 'x']).catch((error) => error);
  assert(large.status === 413 || ['ECONNRESET', 'EPIPE'].includes(large.code), String(large));
  console.log('all is well');
}

main().catch((error) => { console.error(error); process.exit(1); });
