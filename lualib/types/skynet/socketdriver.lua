---@meta skynet.socketdriver

--- Sockets without waiting; services use skynet.socket instead. What happens to a socket comes as messages of
--- the type "socket" to the service that opened or started it.
---@class skynet.socketdriver
local driver = {}

--- Data to send: a string, a table of strings, pointer and size (handed over), or a full userdata and size.
---@alias skynet.socketdriver.data string|string[]|lightuserdata|userdata

--- Raises for a malformed address or port 0.
---@param addr string "host", or "host:port" or "[v6]:port" without the port
---@param port integer?
---@return integer id -1: refused
function driver.connect(addr, port) end

--- Raises "Listen error".
---@param addr string
---@param port integer?
---@param backlog integer?
---@return integer id
function driver.listen(addr, port, backlog) end

---@param fd integer a descriptor of the process
---@return integer id
function driver.bind(fd) end

--- Begins, or goes on, to read or accept; this service becomes the owner.
---@param id integer
function driver.start(id) end

---@param id integer
function driver.pause(id) end

--- As pause(), but leaves a socket alone that another service has started meanwhile.
---@param id integer
function driver.pause_own(id) end

--- Queued output is still sent.
---@param id integer
function driver.close(id) end

--- Queued output is dropped.
---@param id integer
function driver.shutdown(id) end

---@param id integer
function driver.nodelay(id) end

---@param id integer
---@param data skynet.socketdriver.data
---@param sz integer?
---@return boolean was_taken
function driver.send(id, data, sz) end

--- With low priority: behind everything that send() takes.
---@param id integer
---@param data skynet.socketdriver.data
---@param sz integer?
---@return boolean was_taken
function driver.lsend(id, data, sz) end

---@param addr string? where to listen
---@param port integer?
---@return integer id
function driver.udp(addr, port) end

---@param addr string
---@param port integer?
---@return integer id
function driver.udp_listen(addr, port) end

---@param addr string
---@param port integer?
---@return integer id
function driver.udp_dial(addr, port) end

--- The same: nobody else is heard, and it ends with an ERROR when nobody is there.
---@param addr string
---@param port integer?
---@return integer id
function driver.udp_dial_only(addr, port) end

--- Sets the default destination.
---@param id integer
---@param addr string
---@param port integer?
function driver.udp_connect(id, addr, port) end

---@param id integer
---@param address string of a datagram that came
---@param data skynet.socketdriver.data
---@param sz integer?
---@return boolean was_taken
function driver.udp_send(id, address, data, sz) end

---@param address string of a datagram that came
---@return string ip, integer port
function driver.udp_address(address) end

--- The coroutine waits, the worker does not. Raises when the name is unknown.
---@param host string
---@return string[] ips
function driver.resolve(host) end

---@return table[] sockets
function driver.info() end

--- Takes an event apart. A block in it is the caller's from then on.
---@param msg lightuserdata
---@param sz integer
---@return integer type, integer id, integer ud, string|lightuserdata|nil data, string? udp_address
function driver.unpack(msg, sz) end

--- Ours. Before start(id): the engine cuts what comes into frames of two bytes of length and a payload, which may
--- be empty. They come to whom route() names.
---@param id integer
function driver.cut_frames(id) end

--- Ours. Frames of a socket that cut_frames() was called for go straight to a service, as messages of one number.
--- What is sent from now on goes there; what came before stays where it is.
---@param id integer
---@param to integer
---@param source integer 0: this service
---@param message_type integer one that holds no pointers
---@param session integer
function driver.route(id, to, source, message_type, session) end

---@return userdata buffer for push()
function driver.buffer() end

--- Appends a block, which is handed over.
---@param buffer userdata
---@param pool table kept by the caller
---@param msg lightuserdata
---@param sz integer
---@return integer bytes in the buffer
function driver.push(buffer, pool, msg, sz) end

---@param buffer userdata
---@param pool table
---@param sz integer
---@return string? data nil: there are fewer bytes
---@return integer left
function driver.pop(buffer, pool, sz) end

---@param buffer userdata
---@param pool table
---@return string
function driver.readall(buffer, pool) end

---@param buffer userdata?
---@param pool table
function driver.clear(buffer, pool) end

--- Frees a block.
---@param msg lightuserdata
---@param sz integer
function driver.drop(msg, sz) end

---@param buffer userdata
---@param pool table? nil: only looks whether there is a line
---@param separator string
---@return string|true|nil line without its end
function driver.readline(buffer, pool, separator) end

---@param text string
---@return lightuserdata msg, integer sz the caller's
function driver.str2p(text) end

---@param text string 1 to 4 bytes
---@return integer number big-endian
function driver.header(text) end

return driver
