// Precompiled for gateway and cluster: what most of their files read anyway.
#pragma once

#include "messages/actor.hpp"
#include "messages/interfaces.hpp"
#include "messages/pch.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <nlohmann/json.hpp>
