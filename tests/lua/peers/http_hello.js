// The smallest web service on Node's http: says "port N".
const http = require('http');

http.createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': 11 });
  response.end('hello world');
}).listen(0, '127.0.0.1', function () { console.log(`port ${this.address().port}`); });
