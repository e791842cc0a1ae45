// Several lambdas as one visitor: std::visit(Overloaded{[](const A&) { … }, [](const auto&) { … }}, variant).
#ifndef QUORATE_BASE_OVERLOADED_H_
#define QUORATE_BASE_OVERLOADED_H_

namespace quorate {

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

}  // namespace quorate

#endif  // QUORATE_BASE_OVERLOADED_H_
