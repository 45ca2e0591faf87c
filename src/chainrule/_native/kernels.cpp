namespace chainrule { namespace CHAINRULE_ISA { int placeholder = 0; } }
