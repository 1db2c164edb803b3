---@meta goroutine

-- What the module `goroutine` has, for editors that understand LuaLS annotations. Nothing here runs.
--
-- Two ways to fail: a wrong call (a bad type, a number out of range, an unknown option) raises an error that names the function and
-- the argument; what can go wrong in a right program comes back as values. Functions, arguments, results, errors and what is sent
-- through channels cross to another Lua state as copies; what cannot cross is refused where it is given, by an error.

---Milliseconds. Fractions are allowed, a negative number means zero, `math.huge` for ever.
---@alias goroutine.Milliseconds number

---`"done"`, `"failed"` and `"cancelled"` once the goroutine has unwound.
---@alias goroutine.Status "queued"|"running"|"waiting"|"done"|"failed"|"cancelled"

---Which way a channel can be used by whoever has it.
---@alias goroutine.Direction "bidirectional"|"send"|"receive"

---What goroutines share instead of copying. Within one state the same object is always the same value.
---@alias goroutine.Object goroutine.Handle|goroutine.Cancelled|goroutine.WaitGroup|goroutine.AtomicInt|goroutine.View|goroutine.Scope|goroutine.Mutex|goroutine.RwMutex|goroutine.Semaphore|goroutine.Once|goroutine.Cond|goroutine.Barrier|goroutine.Context|goroutine.Shared|goroutine.RateLimiter|goroutine.CircuitBreaker|goroutine.Broadcaster|goroutine.Pool

---A key of a shared table; no nan.
---@alias goroutine.Key string|number|boolean|goroutine.Object

---Goroutines: Lua functions that run at once, on all cores.
---@class goroutine
---@field _VERSION string The version of the module.
local goroutine = {}

-- Starting.

---Runs `fn(...)` as a goroutine. Its error is reported as soon as it happens, and `await` gives it all the same.
---@param fn fun(...): any, ... What is run, as a copy with the variables that it captured. Must not assign to captured variables.
---@param ... any Arguments, as copies.
---@return goroutine.Handle handle Nobody need keep it.
function goroutine.spawn(fn, ...) end

---Runs `fn(id, ...)` as `n` goroutines, with the ids 1 to `n`. Errors as for `spawn`.
---@param n integer From 0 to 10,000,000.
---@param fn fun(id: integer, ...): any, ...
---@param ... any
---@return goroutine.Handle[] handles By id.
function goroutine.spawn_many(n, fn, ...) end

---Runs `fn(...)` as a goroutine. Its error is kept for whoever awaits; one that nobody has seen is reported once.
---@param fn fun(...): any, ...
---@param ... any
---@return goroutine.Handle handle
function goroutine.async(fn, ...) end

---As `async`, on an isolate that is this goroutine's alone: for code that sits in C for long. Up to 512 run at once.
---@param fn fun(...): any, ...
---@param ... any
---@return goroutine.Handle handle
function goroutine.blocking(fn, ...) end

-- Awaiting.

---What a goroutine has come to, as an entry of `await_all`.
---@class goroutine.Result
---@field success boolean
---@field values? goroutine.Values If it succeeded: all that the function returned.
---@field error? any If it failed: the error value; `"timeout exceeded"` if it had not ended in time.
---@field traceback? string If it failed in itself.

---A list that may have holes.
---@class goroutine.Values
---@field n integer How many there are, nils included.
---@field [integer] any

---Waits for a goroutine: `true` and all that its function returned, or `false`, the error and a traceback. After `ms` gives
---`false, "timeout exceeded"`, and the goroutine goes on. May be awaited again, and by several.
---@param handle goroutine.Handle Another goroutine's.
---@param ms? goroutine.Milliseconds
---@return boolean ok
---@return any ... The values, or the error and the traceback.
function goroutine.await(handle, ms) end

---Waits for all of them.
---@param handles goroutine.Handle[] Without holes.
---@param ms? goroutine.Milliseconds What has not ended by then has the error `"timeout exceeded"` in its place.
---@return goroutine.Result[] results In the order of the handles.
function goroutine.await_all(handles, ms) end

---Waits for the first of them to end: its index, then `true, values...` or `false, err`; `nil, false, "timeout exceeded"` after `ms`.
---The others go on.
---@param handles goroutine.Handle[] At least one.
---@param ms? goroutine.Milliseconds
---@return integer? index
---@return boolean ok
---@return any ... The values, or the error.
function goroutine.await_any(handles, ms) end

---Waits until all goroutines have ended that the caller started, tasks of pools included.
---@param ms? goroutine.Milliseconds
---@return boolean ok
---@return "timeout exceeded"? err
function goroutine.wait_all(ms) end

-- Timeouts and scopes.

---Runs `fn(...)` as a goroutine, awaits it, and cancels it after `ms`: `true, values...`, or `false, err`, or
---`false, "timeout exceeded"`.
---@param ms goroutine.Milliseconds
---@param fn fun(...): any, ...
---@param ... any
---@return boolean ok
---@return any ... The values, or the error.
function goroutine.timeout(ms, fn, ...) end

---Calls `fn(s)` in the caller, then waits for all goroutines that `s:spawn` has started. The first error cancels the others, and is
---raised when they have ended.
---@generic R
---@param fn fun(s: goroutine.Scope): R, ...
---@return R ... What `fn` returns.
function goroutine.scope(fn) end

---A group of goroutines that end before the scope does.
---@class goroutine.Scope
local Scope = {}

---Runs `fn(...)` as a goroutine of the scope. Raises when the scope has ended.
---@param fn fun(...): any, ...
---@param ... any
---@return goroutine.Handle handle
function Scope:spawn(fn, ...) end

-- Time, and where one is.

---Waits, and lets other goroutines run.
---@param ms goroutine.Milliseconds
function goroutine.sleep(ms) end

---Lets other goroutines run, then goes on.
function goroutine.yield() end

---A monotonic clock, which counts from the same instant in all goroutines.
---@return goroutine.Milliseconds now
function goroutine.now() end

---The handle of the running goroutine, or nil in the home state.
---@return goroutine.Handle? handle
function goroutine.current() end

---What carries the goroutines: `"tokio"`, `"threads"`, `"smol"`, or an embedder's.
---@return string name
function goroutine.backend() end

---@class goroutine.ConfigureOptions
---@field copy_modules? string[] Names of modules that are sent as they are, not by name. Once named they stay so.
---@field isolates? integer How many isolates there are, 1 to 1024; as many as cores unless said.
---@field memory_limit? integer How many bytes the Lua state of an isolate may take, from 1 MiB on; no limit unless said. Not on LuaJIT.
---@field on_start? fun() What each isolate calls before its first goroutine. The globals that it sets all goroutines there see.
---@field max_blocked? integer How many isolates there may be for goroutines of `blocking`; 512 unless said.
---@field time_slice? number How many milliseconds a goroutine computes before others get their turn; 10 without it.

---Sets how goroutines are run: all but `copy_modules` only before the first goroutine is started.
---@param options goroutine.ConfigureOptions
function goroutine.configure(options) end

---Makes a table keep its identity when it crosses and comes back, as metatables do without being asked.
---@generic T: table
---@param t T
---@return T t
function goroutine.class(t) end

---Whether `err` is the error that cancelling raises. Its `tostring` is `cancelled` or `cancelled: REASON`.
---@param err any
---@return boolean is
function goroutine.is_cancelled(err) end

-- Handles.

---A goroutine, seen from outside.
---@class goroutine.Handle
local Handle = {}

---As `goroutine.await`.
---@param ms? goroutine.Milliseconds
---@return boolean ok
---@return any ... The values, or the error and the traceback.
function Handle:await(ms) end

---Asks the goroutine to stop. After its end this does nothing.
---@param reason? string
function Handle:cancel(reason) end

---Whether it has ended, in whatever way.
---@return boolean ended
function Handle:done() end

---@return goroutine.Status status
function Handle:status() end

---A number that no other goroutine of the process has.
---@return integer id
function Handle:id() end

---Its name, or nil. With a string, sets it first.
---@param s? string
---@return string? name
function Handle:name(s) end

---The error that cancelling raises.
---@class goroutine.Cancelled

-- Wait groups and atomic integers.

---A counter that one can wait for. It is 0 at first.
---@return goroutine.WaitGroup wg
function goroutine.wait_group() end

---@class goroutine.WaitGroup
local WaitGroup = {}

---Raises `negative WaitGroup counter` instead of going below zero.
---@param n? integer 1 unless said; may be negative.
function WaitGroup:add(n) end

---The same as `add(-1)`.
function WaitGroup:done() end

---Waits until the counter is 0.
---@param ms? goroutine.Milliseconds
---@return boolean ok
---@return "timeout exceeded"? err
function WaitGroup:wait(ms) end

---An integer of 64 bits that all goroutines share. Wraps round.
---@param v? integer What it begins with; 0 unless said.
---@return goroutine.AtomicInt a
function goroutine.atomic_int(v) end

---@class goroutine.AtomicInt
local AtomicInt = {}

---@param n? integer 1 unless said; may be negative.
---@return integer value The new one.
function AtomicInt:add(n) end

---@return integer value
function AtomicInt:load() end

---@param v integer
function AtomicInt:store(v) end

---Stores `v`.
---@param v integer
---@return integer old
function AtomicInt:swap(v) end

---Stores `new` if the value is `old`.
---@param old integer
---@param new integer
---@return boolean stored
function AtomicInt:compare_and_swap(old, new) end

-- Locks.

---A lock that one goroutine has at a time. Given back when its holder ends; the next to lock gets `true, "abandoned"` then.
---@return goroutine.Mutex m
function goroutine.mutex() end

---@class goroutine.Mutex
local Mutex = {}

---In the order of asking. Raises if the caller holds it.
---@param ms? goroutine.Milliseconds
---@return boolean ok
---@return "abandoned"|"timeout exceeded"|nil note
function Mutex:lock(ms) end

---Never waits.
---@return boolean ok
---@return "abandoned"? note
function Mutex:try_lock() end

---Raises if the caller does not hold it.
function Mutex:unlock() end

---Locks, calls `fn`, and unlocks, also when `fn` raises: `true` and what `fn` returns, or `false, "timeout exceeded"`.
---@generic R
---@param fn fun(note: "abandoned"?): R, ...
---@param ms? goroutine.Milliseconds
---@return boolean ok
---@return R ...
function Mutex:with(fn, ms) end

---A lock that many have at a time to read, or one to write.
---@return goroutine.RwMutex m
function goroutine.rwmutex() end

---@class goroutine.RwMutex
local RwMutex = {}

---To write.
---@param ms? goroutine.Milliseconds
---@return boolean ok
---@return "abandoned"|"timeout exceeded"|nil note
function RwMutex:lock(ms) end

---Never waits.
---@return boolean ok
---@return "abandoned"? note
function RwMutex:try_lock() end

---Raises if the caller does not hold it to write.
function RwMutex:unlock() end

---As that of a mutex, to write.
---@generic R
---@param fn fun(note: "abandoned"?): R, ...
---@param ms? goroutine.Milliseconds
---@return boolean ok
---@return R ...
function RwMutex:with(fn, ms) end

---To read.
---@param ms? goroutine.Milliseconds
---@return boolean ok
---@return "abandoned"|"timeout exceeded"|nil note
function RwMutex:rlock(ms) end

---Never waits.
---@return boolean ok
---@return "abandoned"? note
function RwMutex:try_rlock() end

---As often as `rlock`. Raises if the caller does not hold it to read.
function RwMutex:runlock() end

---As that of a mutex, to read.
---@generic R
---@param fn fun(note: "abandoned"?): R, ...
---@param ms? goroutine.Milliseconds
---@return boolean ok
---@return R ...
function RwMutex:rwith(fn, ms) end

---Permits, which belong to nobody.
---@param n integer How many; at least one.
---@return goroutine.Semaphore s
function goroutine.semaphore(n) end

---@class goroutine.Semaphore
local Semaphore = {}

---Takes a permit, in the order of asking.
---@param ms? goroutine.Milliseconds
---@return boolean ok
---@return "timeout exceeded"? err
function Semaphore:acquire(ms) end

---Never waits.
---@return boolean ok
function Semaphore:try_acquire() end

---Gives a permit back, in any goroutine. Raises if all are there.
function Semaphore:release() end

---Calls `fn` with a permit, which is given back however it ends: `true` and what `fn` returns, or `false, "timeout exceeded"`.
---@generic R
---@param fn fun(): R, ...
---@param ms? goroutine.Milliseconds
---@return boolean ok
---@return R ...
function Semaphore:with(fn, ms) end

---The permits that are free.
---@return integer n
function Semaphore:available() end

---All permits.
---@return integer n
function Semaphore:capacity() end

---@return goroutine.Once o
function goroutine.once() end

---Something that is done once, whoever comes first.
---@class goroutine.Once
local Once = {}

---The first caller runs `fn()`; later ones wait until it is through. If it raises, that counts as done, and raises in its caller.
---@param fn fun()
---@param ms? goroutine.Milliseconds
---@return boolean ok
---@return "timeout exceeded"? err
function Once:call(fn, ms) end

---@return goroutine.Cond c
function goroutine.cond() end

---A place to wait for a change of what a mutex guards.
---@class goroutine.Cond
local Cond = {}

---Always the same.
---@return goroutine.Mutex m
function Cond:get_mutex() end

---Unlocks the mutex, waits to be woken, and locks it again, however the wait ends. Raises if the caller does not hold it.
---@param ms? goroutine.Milliseconds
---@return boolean ok
---@return "abandoned"|"timeout exceeded"|nil note
function Cond:wait(ms) end

---Wakes the one that has waited longest.
function Cond:signal() end

---Wakes all.
function Cond:broadcast() end

---@param n integer How many meet there; at least one.
---@return goroutine.Barrier b
function goroutine.barrier(n) end

---A place where several wait for each other, again and again.
---@class goroutine.Barrier
local Barrier = {}

---Waits until all have come. The last to come is the leader. One that gives up is not counted.
---@param ms? goroutine.Milliseconds
---@return boolean ok
---@return boolean|"timeout exceeded" is_leader
function Barrier:wait(ms) end

-- Contexts.

---@return goroutine.Context ctx One that only cancelling ends.
---@return fun() cancel Cancels it.
function goroutine.context() end

---When work that belongs together is to stop.
---@class goroutine.Context
local Context = {}

---One that ends with this one, or earlier.
---@return goroutine.Context ctx
---@return fun() cancel
function Context:with_cancel() end

---One that ends with this one, or after `ms`.
---@param ms goroutine.Milliseconds
---@return goroutine.Context ctx
---@return fun() cancel
function Context:with_timeout(ms) end

---One that ends with this one, or at a time of day.
---@param epoch_ms number Milliseconds since 1970.
---@return goroutine.Context ctx
---@return fun() cancel
function Context:with_deadline(epoch_ms) end

---Whether it has ended, in whatever way.
---@return boolean ended
function Context:is_cancelled() end

---Why it has ended.
---@return "context canceled"|"context deadline exceeded"|nil err
function Context:err() end

---Ends it, and all that was made from it.
function Context:cancel() end

---When its time is over, or that of the one it was made from.
---@return number? epoch_ms Milliseconds since 1970.
---@return boolean has
function Context:deadline() end

---A channel that closes when the context ends, and cannot be closed otherwise.
---@return goroutine.Receiver channel
function Context:done() end

---As `goroutine.timeout`, stopped by the context: `true, values...`, or `false, err`, or `false, ctx:err()`.
---@param fn fun(...): any, ...
---@param ... any
---@return boolean ok
---@return any ... The values, or the error.
function Context:run(fn, ...) end

---As `goroutine.spawn`; the goroutine is cancelled when the context ends.
---@param fn fun(...): any, ...
---@param ... any
---@return goroutine.Handle handle
function Context:spawn(fn, ...) end

-- Shared tables.

---A table that goroutines share, with what `table` has. Plain tables in it become shared as well; one with a metatable is refused.
---@param table? table
---@return goroutine.Shared t
function goroutine.shared(table) end

---`t.key`, `t[i]`, `t.key = v`, `#t` work as on any table, each as one step; `pairs` goes over a snapshot.
---@class goroutine.Shared
---@field [any] any
local Shared = {}

---As `t[key]`, also for the names of these methods.
---@param key goroutine.Key
---@return any value
function Shared:get(key) end

---As `t[key] = value`.
---@param key goroutine.Key
---@param value any
function Shared:set(key, value) end

---Makes a new value of the old one, as one step. `fn` is called again if another was faster: it should do nothing else, and not wait, and must not
---change this entry itself.
---@param key goroutine.Key
---@param fn fun(old: any): any
---@return any new
function Shared:update(key, fn) end

---The value of the key, which is `v` if it had none.
---@param key goroutine.Key
---@param v any Not nil.
---@return any value
function Shared:get_or_insert(key, v) end

---Adds `v` at the end of the list.
---@param v any Not nil.
---@return integer index
function Shared:insert(v) end

---A plain deep copy.
---@return table copy
function Shared:snapshot() end

-- Services that fail, and others.

---@class goroutine.RetryOptions
---@field max_attempts? integer 5 unless said.
---@field initial_delay? goroutine.Milliseconds Before the second attempt; 100 unless said.
---@field max_delay? goroutine.Milliseconds 10000 unless said.
---@field multiplier? number What each delay is multiplied by for the next; at least 1, 2 unless said.
---@field jitter? boolean Whether each delay is a random one from half of it to the whole; true unless said.

---Calls `fn(attempt)` until it does not raise: what it returns, or `nil, err` with the last error.
---@generic R
---@param options goroutine.RetryOptions|nil
---@param fn fun(attempt: integer): R, ...
---@return R? result
---@return any ... More results, or the error.
function goroutine.retry(options, fn) end

---@class goroutine.RateLimiterOptions
---@field rate number How many may go through in the time `per`.
---@field per? goroutine.Milliseconds 1000 unless said.
---@field burst? integer How many may go through at once after a pause; 1 unless said.

---@param options goroutine.RateLimiterOptions
---@return goroutine.RateLimiter l
function goroutine.rate_limiter(options) end

---@class goroutine.RateLimiter
local RateLimiter = {}

---Waits until one may go through, in the order of coming.
---@param ms? goroutine.Milliseconds
---@return boolean ok
---@return "timeout exceeded"? err
function RateLimiter:wait(ms) end

---Never waits, and goes before nobody.
---@return boolean ok
function RateLimiter:try() end

---@class goroutine.CircuitBreakerOptions
---@field threshold? integer After how many failures in a row it opens; 5 unless said.
---@field timeout? goroutine.Milliseconds How long it is open; 30000 unless said.
---@field half_open_max? integer How many calls at once may try after that; 1 unless said.

---@param options? goroutine.CircuitBreakerOptions
---@return goroutine.CircuitBreaker c
function goroutine.circuit_breaker(options) end

---@class goroutine.CircuitBreaker
local CircuitBreaker = {}

---Calls `fn()` unless the circuit is open: `true, values...`, or `false, err`, which is `"circuit open"` if it was not called.
---@param fn fun(): any, ...
---@return boolean ok
---@return any ... The values, or the error.
function CircuitBreaker:call(fn) end

---@return "closed"|"open"|"half-open" state
function CircuitBreaker:state() end

---@return goroutine.Broadcaster b
function goroutine.broadcaster() end

---Sends each value to all who have subscribed.
---@class goroutine.Broadcaster
local Broadcaster = {}

---A channel that gets every value from now on. Closing it unsubscribes.
---@param capacity? integer 16 unless said.
---@return goroutine.Receiver channel
function Broadcaster:subscribe(capacity) end

---Waits for those that have no room. After a timeout the others have it.
---@param v any
---@param ms? goroutine.Milliseconds
---@return boolean ok
---@return "timeout exceeded"|"broadcaster is closed"|nil err
function Broadcaster:broadcast(v, ms) end

---Closes all its channels; what is in them can still be received.
---@return boolean ok
---@return "broadcaster already closed"? err
function Broadcaster:close() end

-- Pools.

---@class goroutine.PoolOptions
---@field workers? integer How many tasks run at once; 4 unless said.
---@field queue? integer How many may wait; twice `workers` unless said, 0 is allowed.
---@field on_full? "block"|"error" Whether a submit waits for room, which it does unless said, or gives `nil, "pool queue is full"`.
---@field priority? boolean Whether `pool_submit_priority` works.

---@class goroutine.PoolCloseOptions
---@field cancel? boolean Whether the queue is dropped and what runs is cancelled.

---How long tasks took, in milliseconds.
---@class goroutine.Percentiles
---@field p50 number
---@field p95 number
---@field p99 number
---@field max number

---`submitted` = `queued` + `active` + `completed` + `failed` + `cancelled`, at every instant.
---@class goroutine.PoolStats
---@field name string
---@field workers integer
---@field active integer Tasks that run.
---@field queued integer Tasks that wait.
---@field completed integer
---@field failed integer
---@field cancelled integer Those dropped from the queue included.
---@field submitted integer Tasks that were accepted.
---@field rejected integer Tasks that were refused.
---@field wait_ms goroutine.Percentiles How long tasks waited.
---@field run_ms goroutine.Percentiles How long tasks ran.
---@field utilisation number The share of the workers' time that tasks have used, 0 to 1.

---Makes a pool, which all goroutines know by its name. One that has the name already is closed first.
---@param name string
---@param options? goroutine.PoolOptions
---@return true
function goroutine.pool_create(name, options) end

---Runs `fn(...)` as a task. Its error is reported, and counted.
---@param name string
---@param fn fun(...): any, ...
---@param ... any
---@return string? id Unique in the process.
---@return string? err `"pool not found: NAME"`, `"pool is closed"` or `"pool queue is full"`.
function goroutine.pool_submit(name, fn, ...) end

---As `pool_submit`; higher priorities first, equal ones in order. Raises if the pool is without `priority`.
---@param name string
---@param priority integer Other tasks have 0.
---@param fn fun(...): any, ...
---@param ... any
---@return string? id
---@return string? err
function goroutine.pool_submit_priority(name, priority, fn, ...) end

---Runs `fn(...)` as a task. Its error is kept for whoever awaits.
---@param name string
---@param fn fun(...): any, ...
---@param ... any
---@return goroutine.Handle? handle
---@return string? err As that of `pool_submit`.
function goroutine.pool_async(name, fn, ...) end

---Runs `fn(item, index)` as a task for every item. The first error cancels the rest.
---@generic T, R
---@param name string
---@param list T[]
---@param fn fun(item: T, index: integer): R
---@return R[]? results The first value of each, in the order of the list.
---@return any err
function goroutine.pool_map(name, list, fn) end

---Waits until nothing is queued or running. The pool can be used on.
---@param name string
---@param ms? goroutine.Milliseconds
---@return boolean ok
---@return string? err `"pool not found: NAME"` or `"timeout exceeded"`.
function goroutine.pool_wait(name, ms) end

---Accepts nothing more, finishes what was accepted, and forgets the name.
---@param name string
---@param options? goroutine.PoolCloseOptions
---@return boolean ok False if there is no such pool.
function goroutine.pool_close(name, options) end

---@param name string
---@return goroutine.PoolStats? stats Nil if there is no such pool.
function goroutine.pool_stats(name) end

---@param name string
---@return goroutine.Pool? p Nil if there is no such pool.
function goroutine.pool(name) end

---A pool as an object. Once it is gone its methods find none, also if another has its name.
---@class goroutine.Pool
local Pool = {}

---As `goroutine.pool_submit`.
---@param fn fun(...): any, ...
---@param ... any
---@return string? id
---@return string? err
function Pool:submit(fn, ...) end

---As `goroutine.pool_async`.
---@param fn fun(...): any, ...
---@param ... any
---@return goroutine.Handle? handle
---@return string? err
function Pool:async(fn, ...) end

---As `goroutine.pool_map`.
---@generic T, R
---@param list T[]
---@param fn fun(item: T, index: integer): R
---@return R[]? results
---@return any err
function Pool:map(list, fn) end

---As `goroutine.pool_wait`.
---@param ms? goroutine.Milliseconds
---@return boolean ok
---@return string? err
function Pool:wait(ms) end

---As `goroutine.pool_close`.
---@param options? goroutine.PoolCloseOptions
---@return boolean ok
function Pool:close(options) end

---As `goroutine.pool_stats`.
---@return goroutine.PoolStats? stats
function Pool:stats() end

-- Channels.

---A channel. Values are received once each, in the order of each sender; tables arrive as copies.
---@param capacity? integer How many values it holds; 0 unless said: then a send waits for its receiver.
---@param direction? goroutine.Direction
---@return goroutine.Channel ch
function goroutine.channel(capacity, direction) end

---What every view of a channel can do.
---@class goroutine.View
local View = {}

---Senders that wait get `false, "send on closed channel"`; what was accepted can still be received.
---@return boolean ok
---@return "channel already closed"? err
function View:close() end

---How many values are in it.
---@return integer n
function View:len() end

---Its capacity.
---@return integer n
function View:cap() end

---@return boolean closed
function View:is_closed() end

---What can send into a channel. Receiving raises `cannot receive from send-only channel`.
---@class goroutine.Sender: goroutine.View
local Sender = {}

---Waits for room. If it gives false, the value was not sent.
---@param v any May be nil, but must be there.
---@param ms? goroutine.Milliseconds
---@return boolean ok
---@return "send on closed channel"|"timeout exceeded"|nil err
function Sender:send(v, ms) end

---Never waits. A lone `false` says that there is no room.
---@param v any
---@return boolean ok
---@return "send on closed channel"? err
function Sender:try_send(v) end

---The same channel, as something that can only send.
---@return goroutine.Sender view
function Sender:sender() end

---What can receive from a channel. Sending raises `cannot send on receive-only channel`.
---@class goroutine.Receiver: goroutine.View
local Receiver = {}

---Waits for a value: `value, true`, or `nil, false` once the channel is closed and empty, or `nil, false, "timeout exceeded"`.
---@param ms? goroutine.Milliseconds
---@return any value
---@return boolean ok
---@return "timeout exceeded"? err
function Receiver:receive(ms) end

---Never waits.
---@return any value
---@return boolean ok
function Receiver:try_receive() end

---Calls `fn(value)` for each value until the channel is closed and empty.
---@param fn fun(value: any)
function Receiver:range(fn) end

---An iterator over the values until the channel is closed and empty. A nil that was sent raises.
---@return fun(): any
function Receiver:iter() end

---The same channel, as something that can only receive.
---@return goroutine.Receiver view
function Receiver:receiver() end

---@class goroutine.Channel: goroutine.Sender, goroutine.Receiver

---As `ch:send(v, ms)`.
---@param ch goroutine.Sender
---@param v any
---@param ms? goroutine.Milliseconds
---@return boolean ok
---@return "send on closed channel"|"timeout exceeded"|nil err
function goroutine.channel_send(ch, v, ms) end

---As `ch:receive(ms)`.
---@param ch goroutine.Receiver
---@param ms? goroutine.Milliseconds
---@return any value
---@return boolean ok
---@return "timeout exceeded"? err
function goroutine.channel_receive(ch, ms) end

---As `ch:close()`.
---@param ch goroutine.View
---@return boolean ok
---@return "channel already closed"? err
function goroutine.channel_close(ch) end

---As `ch:len()`.
---@param ch goroutine.View
---@return integer n
function goroutine.channel_len(ch) end

---As `ch:cap()`.
---@param ch goroutine.View
---@return integer n
function goroutine.channel_cap(ch) end

-- Times as channels.

---A channel that gives one value, the time as `now` tells it, once `ms` have passed. It is not closed then.
---@param ms goroutine.Milliseconds
---@return goroutine.Ticker t
function goroutine.after(ms) end

---A channel that gives a value each time that `ms` have passed, and skips what comes while the last has not been taken.
---@param ms goroutine.Milliseconds More than 0.
---@return goroutine.Ticker t
function goroutine.ticker(ms) end

---@class goroutine.Ticker: goroutine.Receiver
local Ticker = {}

---Ends it without closing it: who waits there waits on.
function Ticker:stop() end

-- Select.

---A case of `select`. It is about one of `channel` (with one operation: `receive`, `send` or `op`), `handle`, `context`, `after`
---and `default`.
---@class goroutine.SelectCase
---@field channel? goroutine.View
---@field receive? true The handler gets `value, true`, or `nil, false` if the channel is closed and empty.
---@field send? any What is to be sent. The handler gets nothing, or `false, "send on closed channel"`.
---@field op? "send"|"receive" Instead of `send` and `receive`: `op = "send"` with `value` can send nil.
---@field value? any What is to be sent with `op = "send"`.
---@field handle? goroutine.Handle The handler gets what `await` gives.
---@field context? goroutine.Context The handler gets `ctx:err()`.
---@field after? goroutine.Milliseconds
---@field default? true Happens when no other can at once.
---@field handler? fun(...): any, ... Called by the caller of `select` after the case has happened.

---Waits until one of the cases can happen. Exactly one does: of several that can, one at random.
---@param cases goroutine.SelectCase[] At least one.
---@return integer index
---@return any ... What the handler of the case returned.
function goroutine.select(cases) end

---The same for at most `ms`: `false, index, results...`, or `true, nil` when the time was up.
---@param ms goroutine.Milliseconds
---@param cases goroutine.SelectCase[]
---@return boolean timed_out
---@return integer? index
---@return any ...
function goroutine.select_timeout(ms, cases) end

-- Between channels.

---@class goroutine.Stage
---@field fn fun(value: any): any Makes a value of a value. If it returns none at all, none is passed on.
---@field workers? integer How many goroutines do that at once; 1 unless said, which keeps the order.
---@field capacity? integer How many results wait for the next stage; 10 unless said.

---Passes the values of `input` through one stage after another. An error drops the value it came from and goes to `errors`, which
---keeps the last 1,024.
---@param input goroutine.Receiver
---@param stages goroutine.Stage[] At least one.
---@return goroutine.Channel output
---@return goroutine.Channel errors
function goroutine.pipeline(input, stages) end

---Channels each of which gets every value, as a copy of its own. The slowest reader sets the pace.
---@param input goroutine.Receiver
---@param n integer At least 1.
---@return goroutine.Channel[] outputs
function goroutine.fan_out(input, n) end

---A channel that gets the values of all channels in the list.
---@param list goroutine.Receiver[]
---@return goroutine.Channel output
function goroutine.fan_in(list) end

-- Looking in.

---@class goroutine.Stats
---@field isolates integer How many there are; before the first goroutine, how many there will be.
---@field blocked integer How many of them are spares, or belong to goroutines of `blocking`.
---@field goroutines goroutine.Counts
---@field interrupts integer How often a goroutine that computed was made to let others run.
---@field shipped_bytes integer What all states have sent.

---@class goroutine.Counts
---@field running integer Now.
---@field waiting integer Now.
---@field queued integer Now.
---@field started integer So far.
---@field failed integer So far.
---@field cancelled integer So far.

---All goroutines that have been started and have not ended, whoever started them, in that order.
---@return goroutine.Handle[] handles
function goroutine.list() end

---@return goroutine.Stats stats
function goroutine.stats() end

---A text with each goroutine that lives: its number and name, where it was started, its status, what it waits for, and its stack.
---@return string text
function goroutine.dump() end

return goroutine
