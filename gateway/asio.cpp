// The parts of Asio and Beast that are no templates: BOOST_ASIO_SEPARATE_COMPILATION keeps them out
// of every other file.
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/src.hpp>
