// Node's server: http_server.js, or http_server.js KEY CERTIFICATE for https. Says "port N".
const fs = require('fs');
const http = require('http');
const https = require('https');

let connections = 0;

function answer(request, response) {
  const body = [];
  request.on('data', (piece) => body.push(piece));
  request.on('end', () => {
    const text = Buffer.concat(body);
    switch (request.url.split('?')[0]) {
      case '/echo':
        response.setHeader('X-Encoding', request.headers['transfer-encoding'] || 'none');
        return response.end(text);
      case '/chunks':
        for (let i = 0; i < 1000; ++i) response.write(`${i}\n`);
        response.addTrailers({ 'X-Trailer': 'yes' });
        return response.end();
      case '/early':
        response.writeEarlyHints({ link: '</x>; rel=preload' });
        return response.end('late');
      case '/close':
        response.shouldKeepAlive = false;
        return response.end('closed');
      case '/cookies':
        response.setHeader('Set-Cookie', ['a=1', 'b=2']);
        response.statusCode = 204;
        return response.end();
      default:
        return response.end(`${request.method} ${request.url} ${connections}`);
    }
  });
}

const [, , key, certificate] = process.argv;
const server = key
  ? https.createServer({ key: fs.readFileSync(key), cert: fs.readFileSync(certificate) }, answer)
  : http.createServer(answer);
server.on(key ? 'secureConnection' : 'connection', () => { ++connections; });
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
