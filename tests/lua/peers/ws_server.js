// An echo on npm's `ws`: ws_server.js "deflate" | "plain". Tells its port, and what it sees.
const { WebSocketServer } = require('ws')

const perMessageDeflate = process.argv[2] === 'deflate' ? { threshold: 0 } : false
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate })

server.on('listening', () => console.log(`port ${server.address().port}`))
server.on('connection', socket => {
  console.log(`connection: ${socket.protocol} ${socket.extensions}`)
  socket.on('error', error => console.log(`error: ${error.message}`))
  socket.on('close', (code, reason) => console.log(`close: ${code} ${reason}`))
  socket.on('message', (message, binary) => {
    if (message.toString() === 'close me') socket.close(3000, 'as asked')
    else socket.send(message, { binary })
  })
})
