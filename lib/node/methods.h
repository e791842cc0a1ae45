// File: node/methods.h
//
// The RPC methods that nodes serve, by their full names (proto/quorate/v1/admin.proto, broker.proto).
#ifndef QUORATE_NODE_METHODS_H_
#define QUORATE_NODE_METHODS_H_

namespace quorate::node {

inline constexpr char kCreateTopics[] = "/quorate.v1.Admin/CreateTopics";
inline constexpr char kDeleteTopics[] = "/quorate.v1.Admin/DeleteTopics";
inline constexpr char kListTopics[] = "/quorate.v1.Admin/ListTopics";
inline constexpr char kDescribeTopics[] = "/quorate.v1.Admin/DescribeTopics";
inline constexpr char kDescribeCluster[] = "/quorate.v1.Admin/DescribeCluster";
inline constexpr char kDescribeQuorum[] = "/quorate.v1.Admin/DescribeQuorum";
inline constexpr char kAddController[] = "/quorate.v1.Admin/AddController";
inline constexpr char kRemoveController[] = "/quorate.v1.Admin/RemoveController";
inline constexpr char kTransferLeadership[] = "/quorate.v1.Admin/TransferLeadership";

inline constexpr char kRegisterBroker[] = "/quorate.v1.Controller/RegisterBroker";
inline constexpr char kBrokerHeartbeat[] = "/quorate.v1.Controller/BrokerHeartbeat";
inline constexpr char kAlterPartition[] = "/quorate.v1.Controller/AlterPartition";

}  // namespace quorate::node

#endif  // QUORATE_NODE_METHODS_H_
