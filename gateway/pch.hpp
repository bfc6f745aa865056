// Precompiled for gateway and cluster: what most of their files read anyway.
#pragma once

#include "messages/json.hpp"
#include "messages/pch.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
