-- Messages by a schema (sproto), and calls made of them.
local core = require "sproto.core"
local setmetatable, assert, error = setmetatable, assert, error
local encode, decode = core.encode, core.decode

---@class sproto
---@field __cobj lightuserdata
local sproto = { pack = core.pack, unpack = core.unpack }
local host = {}
local methods = { __index = sproto }
local owner_methods = { __index = sproto, __gc = function(self) core.deleteproto(self.__cobj) end }
local host_methods = { __index = host }

local function make(schema, metatable)
  return setmetatable({ __cobj = schema, __tcache = {}, __pcache = {} }, metatable)
end

---A schema from a bundle of `sprotoparser.parse`.
---@param bundle string
---@return sproto
function sproto.new(bundle)
  return make(assert(core.newproto(bundle)), owner_methods)
end

---A schema of `sproto.core`, which somebody else deletes.
---@param schema lightuserdata
---@return sproto
function sproto.sharenew(schema)
  return make(schema, methods)
end

---A schema from its text.
---@param text string
---@return sproto
function sproto.parse(text)
  return sproto.new(require("sprotoparser").parse(text))
end

local function find_type(self, name)
  local kind = self.__tcache[name]
  if not kind then
    kind = core.querytype(self.__cobj, name)
    self.__tcache[name] = kind
  end
  return kind
end

local function type_of(self, name)
  return find_type(self, name) or error(("type %s not found"):format(name), 3)
end

local function find_protocol(self, name)
  local protocol = self.__pcache[name]
  if protocol then return protocol end
  local other, request, response = core.protocol(self.__cobj, name)
  if other == nil then return nil end
  local tag = name
  if type(name) == "number" then
    name = other
  else
    tag = other
  end
  protocol = { name = name, tag = tag, request = request, response = response }
  self.__pcache[name], self.__pcache[tag] = protocol, protocol
  return protocol
end

---A protocol by its name or tag; raises when there is none.
---@param name string|integer
---@return { name: string, tag: integer, request: lightuserdata?, response: lightuserdata? }
function sproto:queryproto(name)
  return find_protocol(self, name) or error(("protocol %s not found"):format(name), 2)
end

local query = sproto.queryproto

---@param name string
---@return boolean
function sproto:exist_type(name)
  return find_type(self, name) ~= nil
end

---@param name string|integer
---@return boolean
function sproto:exist_proto(name)
  return find_protocol(self, name) ~= nil
end

---@param typename string
---@param value table
---@return string message
function sproto:encode(typename, value)
  return encode(type_of(self, typename), value)
end

---Raises `decode error` for bytes that no message begins with.
---@param typename string
---@param message string|lightuserdata a pointer is followed by its size
---@return table value, integer bytes of the message, without what follows it
function sproto:decode(typename, message, ...)
  return decode(type_of(self, typename), message, ...)
end

---`encode`, packed.
---@param typename string
---@param value table
---@return string packed
function sproto:pencode(typename, value)
  return core.pack(encode(type_of(self, typename), value))
end

---`decode` of a packed message.
---@param typename string
---@param packed string|lightuserdata
---@return table value, integer bytes unpacked
function sproto:pdecode(typename, packed, ...)
  return decode(type_of(self, typename), core.unpack(packed, ...))
end

---The message of a protocol's request, and its tag.
---@param name string|integer
---@param value table?
---@return string message, integer tag
function sproto:request_encode(name, value)
  local protocol = query(self, name)
  if not protocol.request then return "", protocol.tag end
  return encode(protocol.request, value), protocol.tag
end

---@param name string|integer
---@param value table?
---@return string message
function sproto:response_encode(name, value)
  local response = query(self, name).response
  return response and encode(response, value) or ""
end

---The content of a request, and the name of its protocol.
---@param name string|integer
---@param message string|lightuserdata
---@return table? value, string name
function sproto:request_decode(name, message, ...)
  local protocol = query(self, name)
  if not protocol.request then return nil, protocol.name end
  return decode(protocol.request, message, ...), protocol.name
end

---@param name string|integer
---@param message string|lightuserdata
---@return table? value, integer? bytes
function sproto:response_decode(name, message, ...)
  local response = query(self, name).response
  if response then return decode(response, message, ...) end
end

---A table with a value for each field: 0, false, "", {}, and for a struct `{ __type = name }`.
---@param name string of a type, or of a protocol
---@param kind "REQUEST"|"RESPONSE"|nil of the protocol
---@return table?
function sproto:default(name, kind)
  if kind == nil then return core.default(type_of(self, name)) end
  local protocol = query(self, name)
  if kind ~= "REQUEST" and kind ~= "RESPONSE" then
    error(("Invalid type %s: REQUEST or RESPONSE"):format(kind), 2)
  end
  local content = kind == "REQUEST" and protocol.request or kind == "RESPONSE" and protocol.response
  return content and core.default(content) or nil
end

---One end of a connection: reads requests of this schema, and answers to the requests that it
---has sent. `package` is the type of what precedes each message: its fields type, session and ud.
---@param package string? "package" by default
---@return sproto.host
function sproto:host(package)
  package = package or "package"
  return setmetatable({
    __proto = self,
    __package = find_type(self, package) or error(("type %s not found"):format(package), 2),
    __session = {},
  }, host_methods)
end

---@class sproto.host

local function make_responder(package, response, session)
  return function(value, ud)
    local head = encode(package, { session = session, ud = ud })
    return core.pack(response and head .. encode(response, value) or head)
  end
end

---Takes a message of the other end apart. Raises for one that nobody has packed, for a protocol that
---the schema does not have, and for an answer that nobody waits for.
---@param packed string|lightuserdata a pointer is followed by its size
---@return "REQUEST"|"RESPONSE" kind
---@return string|integer which the protocol's name; the session
---@return table? content
---@return function|any responder responder(content, ud) -> packed; nil: no answer is wanted. Of a response: its ud
---@return any ud of a request
function host:dispatch(packed, ...)
  local message = core.unpack(packed, ...)
  local head, size = decode(self.__package, message)
  local session, ud = head.session, head.ud
  if head.type then
    local protocol = query(self.__proto, head.type)
    local content = protocol.request and decode(protocol.request, message:sub(size + 1)) or nil
    local responder = session and make_responder(self.__package, protocol.response, session) or nil
    return "REQUEST", protocol.name, content, responder, ud
  end
  assert(session, "session not found")
  local response = assert(self.__session[session], "Unknown session")
  self.__session[session] = nil
  local content
  if response ~= true then content = decode(response, message:sub(size + 1)) end
  return "RESPONSE", session, content, ud
end

---The function that packs requests by the schema of the other end; with a session, an answer is
---expected.
---@param other sproto
---@return fun(name: string|integer, content: table?, session: integer?, ud: any): string
function host:attach(other)
  local package, sessions = self.__package, self.__session
  return function(name, content, session, ud)
    local protocol = query(other, name)
    local message = encode(package, { type = protocol.tag, session = session, ud = ud })
    if protocol.request then message = message .. encode(protocol.request, content) end
    if session then sessions[session] = protocol.response or true end
    return core.pack(message)
  end
end

return sproto
