// Signals of the node's process, and the word to its service manager.
#pragma once

#include <string_view>

namespace troupe {

enum class node_signal { stop, reload, reopen_log };

/// Blocks SIGTERM, SIGINT, SIGHUP, SIGUSR1 and ignores SIGPIPE in this thread and those it starts.
/// Call it before the first thread is made.
void block_signals();

/// Waits for the next of them: SIGTERM, SIGINT and `wake_signal_waiter` mean stop, SIGHUP reload,
/// SIGUSR1 reopen_log.
node_signal wait_signal();

/// Makes `wait_signal` answer stop, from any thread.
void wake_signal_waiter();

/// Makes `wait_signal` answer reload, from any thread.
void send_reload_signal();

/// Tells the service manager (systemd's notify protocol; $NOTIFY_SOCKET) a state such as "READY=1".
/// Nothing happens without one.
void notify_service_manager(std::string_view state);

} // namespace troupe
