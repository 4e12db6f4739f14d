---@meta skynet.mongo.driver

--- The messages of MongoDB's wire protocol (OP_MSG) around documents of bson.
---@class skynet.mongo.driver
local driver = {}

---@param id integer of the request
---@param flags integer
---@param document userdata of bson, a string with its bytes, or a pointer to them
---@return string message
function driver.op_msg(id, flags, document) end

---@param bytes string the first 4 of a message
---@return integer rest how many follow
function driver.length(bytes) end

--- Raises when the message is none.
---@param bytes string what follows the first 4
---@return true
---@return integer id of the request that is answered
---@return lightuserdata document for bson.decode(), there as long as `bytes` is
function driver.reply(bytes) end

return driver
