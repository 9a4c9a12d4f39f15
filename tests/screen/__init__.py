"""The screen as people see it: the program at a real pseudo-terminal, at whose other
end pyte is the terminal.

terminal  the pseudo-terminal, its keys and sizes, and what is to be seen there
picture   what is to be seen, compared with texts in expected/
world     a stand-in whose pods and services lead to each of the five states
"""
