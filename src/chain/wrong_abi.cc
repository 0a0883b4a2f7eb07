// A module library built for something else; the loader's test finds it beside itself.
extern "C" {
extern const char mapigate_module_abi[];
const char mapigate_module_abi[] = "mapigate-module-0 of another time";
}
